"""What a row asks and what it expects: the chat before the last assistant turn, and that turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat, Message
from tunesmith.models.conversation import Conversation, conversation_of
from tunesmith.models.conversation import Row as Row


def chat_of(row: Row) -> Conversation:
    """The messages before the last assistant turn, or all of them where there is none, with the row's tools.

    Raises UserError where there are no messages.
    """
    conversation = conversation_of(row)
    asked = conversation.messages[: _last_assistant(conversation)]
    return Conversation(tuple(_without_weight(message) for message in asked), conversation.tools)


def asked_of(row: Row) -> Conversation:
    """What a row asks: of a pair all its messages, else the chat before the last assistant turn."""
    return conversation_of(row) if row.get("chosen") else chat_of(row)


def target_of(row: Row) -> str:
    """The expected answer: the last assistant turn, or the column `target`; raises UserError if there is neither.

    How a tool call is written differs from template to template, so a turn that calls tools is no expected answer.
    """
    turn = _expected(row)
    if turn is None or turn.get("tool_calls"):
        if row.get("target") is not None:
            return str(row["target"])
        raise UserError(
            f"record {row.get('id', '?')} has no expected answer{'' if turn is None else ' but a call of tools'}.",
            "A test row ends with an assistant message that is text, or has a column target.",
        )
    return str(turn["content"])


def answer_of(row: Row) -> str:
    """The last assistant turn (or the column `target`) to read and to copy, calls of tools as JSON behind its text."""
    turn = _expected(row)
    if turn is None or not turn.get("tool_calls"):
        return target_of(row)
    calls = [json.dumps(call["function"], ensure_ascii=False) for call in turn["tool_calls"]]
    return "\n".join([turn["content"]] * bool(turn["content"]) + calls)


def prompt_of(chat: Chat) -> str:
    """The last user message of a chat, or its last message where nobody is called user."""
    asked = [message for message in chat if message["role"] == "user"] or list(chat)
    return str(asked[-1]["content"]) if asked else ""


def _expected(row: Row) -> Message | None:
    """The last assistant turn, None where there is none or it says nothing at all."""
    messages = cast("list[Mapping[str, object]]", row.get("messages") or [])
    turn = conversation_of(row) if messages else ()
    end = _last_assistant(turn)
    if end is None or (messages[end].get("content") is None and not turn[end].get("tool_calls")):
        return None
    return turn[end]


def _last_assistant(chat: Chat) -> int | None:
    turns = [index for index, message in enumerate(chat) if message["role"] == "assistant"]
    return turns[-1] if turns else None


def _without_weight(message: Message) -> Message:
    """What is learnt and what is not is no concern of a model that is asked."""
    return {key: value for key, value in message.items() if key != "weight"}
