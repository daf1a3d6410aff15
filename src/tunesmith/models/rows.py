"""What a row asks and what it expects: the chat before the last assistant turn, and that turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat

Row = Mapping[str, object]


def chat_of(row: Row) -> Chat:
    """The messages before the last assistant turn, or all of them where there is none; raises UserError without any."""
    messages = _messages(row)
    if not messages:
        raise UserError(
            f"record {row.get('id', '?')} has no messages, so there is nothing to ask.",
            "Turn documents into conversations with - edit: to_chat.",
        )
    end = _last_assistant(messages)
    return [_plain(message) for message in (messages if end is None else messages[:end])]


def target_of(row: Row) -> str:
    """The expected answer: the last assistant turn, or the column `target`; raises UserError if there is neither."""
    messages = _messages(row)
    end = _last_assistant(messages)
    target = row.get("target") if end is None else messages[end].get("content")
    if target is None:
        raise UserError(
            f"record {row.get('id', '?')} has no expected answer.",
            "A test row ends with an assistant message, or has a column target.",
        )
    return str(target)


def prompt_of(chat: Chat) -> str:
    """The last user message of a chat, or its last message where nobody is called user."""
    asked = [message for message in chat if message["role"] == "user"] or list(chat)
    return asked[-1]["content"] if asked else ""


def _messages(row: Row) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", row.get("messages") or ())


def _last_assistant(messages: Sequence[Mapping[str, object]]) -> int | None:
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    return turns[-1] if turns else None


def _plain(message: Mapping[str, object]) -> dict[str, str]:
    """A message without its empty fields and its training weight, as models take it."""
    given = {key: value for key, value in message.items() if value is not None and key != "weight"}
    return {key: str(value) for key, value in given.items()} | {"content": str(message.get("content") or "")}
