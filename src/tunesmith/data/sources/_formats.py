"""The instruction formats that are in use: how each is told, and how its rows become conversations or pairs.

A format's function takes a row and gives the record's columns; it raises ValueError, which says what the row lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import orjson

Row = Mapping[str, object]
Turn = dict[str, object]

# Names of roles as they are found, by the role that they mean.
MEANT = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "model", "bing", "bard"),
    "tool": ("tool", "function", "observation", "function_response", "tool_response", "ipython"),
}
ROLES = {name: role for role, names in MEANT.items() for name in names}
CALLS = ("function_call", "tool_call")  # ShareGPT's turns in which the assistant calls a tool
OTHER = ("margin", "desirable", "target", "group", "license", "date")  # columns that a row of any format may have


@dataclass(frozen=True)
class Format:
    """One format: its name in recipes, what its rows look like, and the function that reads them."""

    name: str
    looks: str
    needs: tuple[str, ...]
    read: Callable[[Row], dict[str, object]]
    also: tuple[str, ...] = ()  # further fields that become columns; all others stay in meta


def openai_preference(row: Row) -> dict[str, object]:
    """OpenAI's format of preference tuning."""
    given = _mapping(row, "input")
    prompt = _turns(given.get("messages"), "input.messages")
    sides = {
        name: _turns(row.get(key), key)
        for name, key in (("chosen", "preferred_output"), ("rejected", "non_preferred_output"))
    }
    return {"messages": prompt, **sides, **_tools(given)}


def preference(row: Row) -> dict[str, object]:
    """Preference pairs: the answers alone beside their prompt, or two conversations that begin alike."""
    chosen, rejected = (_answer(row, name) for name in ("chosen", "rejected"))
    prompt = _common(chosen, rejected) if row.get("prompt") is None else _prompt(row)
    if not prompt:
        raise ValueError("no 'prompt', and chosen and rejected do not begin with the same turns")
    chosen, rejected = (side[len(prompt) :] if side[: len(prompt)] == prompt else side for side in (chosen, rejected))
    if not chosen or not rejected:
        raise ValueError("chosen or rejected holds the prompt and no answer")
    return {"messages": _with_system(row, prompt), "chosen": chosen, "rejected": rejected, **_tools(row)}


def messages(row: Row) -> dict[str, object]:
    """OpenAI's format of chats: messages of role and content, with tools, tool_calls, name and weight."""
    return {"messages": _turns(row.get("messages"), "messages"), **_tools(row)}


def sharegpt(row: Row) -> dict[str, object]:
    """ShareGPT's conversations of from and value."""
    key = "conversation" if "conversation" in row else "conversations"
    return {"messages": _with_system(row, _turns(row.get(key), key)), **_tools(row)}


def alpaca(row: Row) -> dict[str, object]:
    """Alpaca's instruction, input and output; earlier turns in history."""
    asked = _text(row, "instruction")
    more = row.get("input")
    if more is not None and not isinstance(more, str):
        raise ValueError(f"input is {_kind(more)}, not text")
    turns = [
        *_history(row),
        turn("user", f"{asked}\n\n{more}" if more else asked),
        turn("assistant", _text(row, "output")),
    ]
    return {"messages": _with_system(row, turns)}


def prompt_completion(row: Row) -> dict[str, object]:
    """A prompt and its completion, each text or messages."""
    return {"messages": _with_system(row, [*_prompt(row), *_answer(row, "completion")]), **_tools(row)}


def unpaired_preference(row: Row) -> dict[str, object]:
    """A prompt and its completion with a label, which says whether it is a good one."""
    if not isinstance(row.get("label"), bool):
        raise ValueError(f"label is {_kind(row.get('label'))}, not true or false")
    return {**prompt_completion(row), "desirable": row["label"]}


FORMATS = (  # where several fit, the first is taken: rows of pairs may have messages beside them
    Format(
        "openai_preference",
        "input.messages, preferred_output and non_preferred_output",
        ("input", "preferred_output", "non_preferred_output"),
        openai_preference,
    ),
    Format(
        "preference",
        "prompt, chosen and rejected, each text or messages",
        ("chosen", "rejected"),
        preference,
        ("prompt", "system", "tools", "functions"),
    ),
    Format("messages", "messages, a list of {role, content}", ("messages",), messages, ("tools", "functions")),
    Format(
        "sharegpt",
        "conversations, a list of {from, value}",
        ("conversations",),
        sharegpt,
        ("conversation", "system", "tools", "functions"),
    ),
    Format(
        "alpaca", "instruction, input and output", ("instruction", "output"), alpaca, ("input", "history", "system")
    ),
    Format(
        "unpaired_preference",
        "prompt and completion, and a label of true or false",
        ("prompt", "completion", "label"),
        unpaired_preference,
        ("system", "tools", "functions"),
    ),
    Format(
        "prompt_completion",
        "prompt and completion, each text or messages",
        ("prompt", "completion"),
        prompt_completion,
        ("system", "tools", "functions"),
    ),
)


def turn(role: str, content: object, **more: object) -> Turn:
    """One turn of a conversation."""
    return {"role": role, "content": content, **more}


def _turns(value: object, where: str) -> list[Turn]:
    if isinstance(value, str) and value[:1] == "[":  # tables often hold them as JSON
        value = orjson.loads(value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"no {where!r}" if value is None else f"{where} is {_kind(value)}, not a list of turns")
    if not value:
        raise ValueError(f"{where} has no turns")
    return [_turn(item, f"{where}[{number}]") for number, item in enumerate(value)]


def _turn(item: object, where: str) -> Turn:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where} is {_kind(item)}, not a turn")
    named = "role" if "role" in item else "from"
    value = item.get("content") if named == "role" else item.get("value")
    role = str(item.get(named, "")).lower()
    if named not in item:
        raise ValueError(f"{where} has neither role nor from")
    if role in CALLS:
        return turn("assistant", None, tool_calls=value)
    if role not in ROLES:
        raise ValueError(f"{where}.{named} is {item[named]!r}, none of {', '.join(sorted(ROLES))}")
    more = {name: item[name] for name in ("name", "tool_calls", "tool_call_id", "weight") if item.get(name) is not None}
    content = _content(value, where)
    if content is None and not more.get("tool_calls"):
        raise ValueError(f"{where} has no {'content' if named == 'role' else 'value'}")
    return turn(ROLES[role], content, **more)


def _content(value: object, where: str) -> str | None:
    """The text of a turn; one in parts, if all of them are text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        parts = [part if isinstance(part, Mapping) else {} for part in value]
        if all(part.get("type") == "text" and isinstance(part.get("text"), str) for part in parts):
            return "".join(str(part["text"]) for part in parts)
        kinds = ", ".join(sorted({str(part.get("type")) for part in parts} - {"text"}))
        raise ValueError(f"{where} holds more than text: {kinds}")
    raise ValueError(f"{where} is {_kind(value)}, not text")


def _prompt(row: Row) -> list[Turn]:
    return _turns_or_text(row.get("prompt"), "prompt", "user")


def _answer(row: Row, name: str) -> list[Turn]:
    return _turns_or_text(row.get(name), name, "assistant")


def _turns_or_text(value: object, where: str, role: str) -> list[Turn]:
    if isinstance(value, str):
        return [turn(role, value)]
    return [_turn(value, where)] if isinstance(value, Mapping) else _turns(value, where)


def _common(one: Sequence[Turn], other: Sequence[Turn]) -> list[Turn]:
    """The turns with which both begin, but for the last ones: those are the answers."""
    length = 0
    while length < min(len(one), len(other)) - 1 and one[length] == other[length]:
        length += 1
    return list(one[:length])


def _with_system(row: Row, turns: list[Turn]) -> list[Turn]:
    given = row.get("system")
    return [turn("system", given), *turns] if isinstance(given, str) and given else turns


def _history(row: Row) -> list[Turn]:
    pairs = row.get("history") or []
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise ValueError("history is no list of pairs of question and answer")
    return [turn(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]


def _tools(row: Row) -> dict[str, object]:
    given = row.get("tools") or row.get("functions")
    return {"tools": given} if given else {}


def _mapping(row: Row, name: str) -> Row:
    value = row.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"no {name!r}" if value is None else f"{name} is {_kind(value)}, not an object")
    return cast(Row, value)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"no {name!r}" if value is None else f"{name} is {_kind(value)}, not text")
    return value


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "true or false"}.get(
        type(value), type(value).__name__
    )
