"""A stored row as chat templates and endpoints take it: messages without empty fields, tool calls and tools parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast, overload

import orjson

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat, Message

Row = Mapping[str, object]
Tool = Mapping[str, object]


@dataclass(frozen=True)
class Conversation(Sequence[Message]):
    """A chat and the tools that it may call. It is a chat itself, so that its tools travel wherever a chat does.

    A message has role and content, and where the row gives them name, tool_calls and tool_call_id. A `weight` of 0 is
    on the assistant's turns that are context only; the renderer takes it off before a template sees it.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] | None = None

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        """One message, or several of them without the tools."""
        return self.messages[index]

    def __len__(self) -> int:
        """How many messages it has."""
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        """Its messages in order."""
        return iter(self.messages)


def conversation_of(row: Row, answer: str | None = None) -> Conversation:
    """The conversation of a row, with the messages of an answer column (chosen, rejected, ..) behind it.

    Raises UserError that names the record and the field where JSON is broken, a weight is neither 0 nor 1, or there
    are no messages.
    """
    where = f"record {row.get('id') or '?'}"
    columns = ["messages"] if answer is None else ["messages", answer]
    given = [
        (message, f"{where}: {column}[{number}]")
        for column in columns
        for number, message in enumerate(cast("Sequence[Mapping[str, object]]", row.get(column) or ()))
    ]
    if answer is not None and not row.get(answer):
        raise UserError(f"{where} has no {answer}.", f"Each row needs messages in the column {answer}.")
    if not given:
        raise UserError(
            f"{where} has no messages, so there is nothing to ask.",
            "Turn documents into conversations with - edit: to_chat.",
        )
    return Conversation(
        tuple(message_of(message, place) for message, place in given), tools_of(row.get("tools"), f"{where}: tools")
    )


def message_of(given: Mapping[str, object], where: str) -> dict[str, object]:
    """A message as templates take it; one that is so already comes back equal. `where` is for the error's text."""
    message = {key: value for key, value in given.items() if value is not None and key != "weight"}
    if not message.get("role"):
        raise UserError(f"{where} has no role.", "Each message needs a role and a content.")
    message["content"] = message.get("content") or ""
    calls = message.pop("tool_calls", None)
    if calls:
        message["tool_calls"] = _calls_of(calls, f"{where}.tool_calls")
    weight = given.get("weight")
    if weight not in (None, 0, 1):
        raise UserError(
            f"{where}.weight is {weight}; the weight of a message is 0 (context only) or 1 (learnt).",
            "To draw a row more often or less, give the row itself a weight: that is its sampling probability.",
        )
    if weight == 0 and message["role"] == "assistant":
        message["weight"] = 0
    return message


def tools_of(given: object, where: str) -> tuple[Tool, ...] | None:
    """The tools in a stored JSON text (or already parsed) in OpenAI's format, None where there are none."""
    tools = _listed(_parsed(given, where), where)
    return tuple(_tool(tool) for tool in tools) or None


def chat_tools(chat: Chat) -> Sequence[Tool] | None:
    """The tools that a chat brings along."""
    return chat.tools if isinstance(chat, Conversation) else None


def _calls_of(given: object, where: str) -> list[dict[str, object]]:
    calls = _listed(_parsed(given, where), where)
    return [_call(call, f"{where}[{number}]") for number, call in enumerate(calls)]


def _call(call: Mapping[str, object], where: str) -> dict[str, object]:
    """A call as {type, function: {name, arguments}} with the arguments as an object, plus what else it has."""
    inner = call.get("function")
    outer: dict[str, object] = dict(call) if isinstance(inner, Mapping) else {}
    function: dict[str, object] = dict(inner if isinstance(inner, Mapping) else call)
    if not isinstance(function.get("name"), str):
        raise UserError(f"{where} names no function.", 'A call is {"name": "search", "arguments": {"query": ".."}}.')
    if not outer and "id" in function:
        outer["id"] = function.pop("id")
    arguments = _parsed(function.get("arguments"), f"{where}.arguments") or {}
    if not isinstance(arguments, Mapping):
        raise UserError(f"{where}.arguments is not a JSON object.", 'Arguments have names: {"query": ".."}.')
    return {"type": "function", **outer, "function": {**function, "arguments": dict(arguments)}}


def _tool(tool: Mapping[str, object]) -> Tool:
    bare = "name" in tool and "function" not in tool
    return {"type": "function", "function": dict(tool)} if bare else dict(tool)


def _parsed(given: object, where: str) -> object:
    """The value of a JSON text; what is no text is parsed already."""
    if not isinstance(given, str):
        return given
    try:
        return orjson.loads(given) if given.strip() else None
    except orjson.JSONDecodeError as error:
        shown = given if len(given) <= 80 else f"{given[:80]}.."
        raise UserError(
            f"{where} is not JSON ({error}): {shown}", "Correct the source, or leave such rows out."
        ) from None


def _listed(given: object, where: str) -> list[Mapping[str, object]]:
    if not given:
        return []
    listed = [given] if isinstance(given, Mapping) else given
    if not isinstance(listed, Sequence) or not all(isinstance(one, Mapping) for one in listed):
        raise UserError(f"{where} is not a list of JSON objects.", "Give a list such as those that OpenAI's API takes.")
    return list(cast("Sequence[Mapping[str, object]]", listed))
