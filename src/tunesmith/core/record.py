"""The one schema that flows through tunesmith: a document, a conversation or a preference pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NewType, get_args

import pyarrow as pa

from tunesmith.core.hashing import hash128

Where = Literal["text", "prompt", "answer", "whole", "chosen", "rejected"]
WHERE: tuple[Where, ...] = get_args(Where)
SIGNAL = "signal."

MESSAGE = pa.struct(
    [
        pa.field("role", pa.string()),
        pa.field("content", pa.string()),
        pa.field("name", pa.string()),
        pa.field("tool_calls", pa.string()),  # JSON, as the source gave it
        pa.field("tool_call_id", pa.string()),  # of the call that a tool's message answers
        pa.field("weight", pa.float64()),
    ]
)
MESSAGES = pa.list_(MESSAGE)
ORIGIN = pa.struct(
    [
        pa.field("uri", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("date", pa.string()),
    ]
)
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "messages": MESSAGES,
    "tools": pa.string(),
    "chosen": MESSAGES,
    "rejected": MESSAGES,
    "margin": pa.float64(),  # by how much chosen is better than rejected; null where nobody says
    "desirable": pa.bool_(),  # whether the last turn of `messages` is a good answer; null where nobody says
    "target": pa.string(),
    "source": pa.string(),
    "domain": pa.string(),
    "group": pa.string(),
    "license": pa.string(),
    "origin": ORIGIN,
    "parents": pa.list_(pa.string()),
    "part": pa.string(),  # of the split: train, validation, test, ..
    "copies": pa.int64(),  # how often a mix has the row; 1 where it is null
    "weight": pa.float64(),
    "meta": pa.string(),
}
TEXT_COLUMNS = ("text", "target")
MESSAGE_COLUMNS = ("messages", "chosen", "rejected")

Record = Mapping[str, object]
LocalPath = NewType("LocalPath", str)  # a parameter that names a file or folder; relative to the recipe
Fitted = NewType("Fitted", str)  # a parameter that the engine fills: the folder of what `fit` learnt from the corpus


def record_id(source: str, key: str | bytes, ordinal: int = 0) -> str:
    """A record's id: 32 hexadecimal digits of its source's name, its own key or raw content, and its ordinal."""
    return hash128([source, key, str(ordinal)]).hex()


def schema_of(columns: Iterable[str]) -> pa.Schema:
    """The Arrow schema of these record columns, in the house's order; signals are not among them."""
    wanted = set(columns)
    return pa.schema([pa.field(name, kind) for name, kind in COLUMNS.items() if name in wanted])


def message(role: str, content: str) -> dict[str, str]:
    """One message of a conversation."""
    return {"role": role, "content": content}


def kind_of(columns: Iterable[str]) -> Literal["document", "conversation", "pair"]:
    """What kind of record has these columns."""
    names = set(columns)
    if {"chosen", "rejected"} <= names:
        return "pair"
    return "conversation" if "messages" in names else "document"
