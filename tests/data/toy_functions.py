"""Functions as a user would write them beside a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.text import Spans

calls: list[str] = []


def share_of_a(text: str) -> float:
    """Share of letters that are an a; raises for an empty text."""
    return text.count("a") / len(text)


def shape(lines: Sequence[str], words: Sequence[str]) -> dict[str, int | None]:
    """Two numbers at once."""
    return {"lines": len(lines), "longest": max(map(len, words), default=None)}


def mean_word(word_spans: Spans) -> np.ndarray:
    """Mean bytes a word, as a batch; calls are counted."""
    calls.append("mean_word")
    totals = np.add.reduceat(np.append(word_spans.lengths, 0), word_spans.rows[:-1])
    return totals / np.maximum(word_spans.counts, 1)


def fragile(texts: pa.StringArray) -> pa.Array:
    """A batch function that cannot stand one of its texts."""
    if pc.any(pc.equal(texts, "boom")).as_py():
        raise RuntimeError("boom")
    return pc.utf8_length(texts)


def has_meta(record: Mapping[str, object], id: str) -> bool:
    """Whether the record has something in its meta."""
    return bool(record.get("meta")) and len(id) == 32


def turns(messages: Sequence[Mapping[str, object]]) -> int:
    """Number of turns."""
    return len(messages)


def broken(text: str) -> object:
    """Gives what is no measurement."""
    return [text]


def picky(text: str) -> int:
    """A function that finds fault with the recipe."""
    raise UserError("picky: wants more.", "Give it more.")


def mixed(text: str) -> str | int:
    """Another type for each row."""
    return text if text.isalpha() else int(text)


def wants_weather(weather: str) -> int:
    """Asks for what is not there."""
    return 1


def both_forms(text: str, texts: pa.StringArray) -> int:
    """Asks for two forms at once."""
    return 1


def upper(text: str) -> str:
    """Every text in capitals; raises for a text with a nul."""
    if "\0" in text:
        raise ValueError("nul")
    return text.upper()


def reverse(texts: pa.StringArray) -> pa.Array:
    """Every text backwards, as a batch."""
    return pc.utf8_reverse(texts)


def tag(record: Mapping[str, object]) -> dict[str, object]:
    """Changes columns of the record."""
    return {"group": str(record["text"])[0], "meta": {"long": len(str(record["text"])) > 3}}


def rename_id(record: Mapping[str, object]) -> dict[str, object]:
    """Tries to change what no edit may."""
    return {"id": "me"}


def halves(record: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Long records become two, short ones stay, empty ones vanish."""
    text = str(record["text"])
    if len(text) > 3:
        yield {"text": text[: len(text) // 2], "meta": {"half": 1}}
        yield {"text": text[len(text) // 2 :], "meta": {"half": 2}}
    elif text:
        yield record


def copies(record: Mapping[str, object], *, how: Callable[[str], str]) -> Iterator[Mapping[str, object]]:
    """The record, and a copy changed by a function that the recipe names."""
    yield record
    yield {**record, "text": how(str(record["text"]))}


def shouted(text: str) -> str:
    """What `copies` may be given."""
    return text.upper() + "!"


def better(record: Mapping[str, object]) -> str | None:
    """The answer with a capital and a full stop; None if it has them."""
    text = str(record["messages"][-1]["content"])  # type: ignore[index]
    wanted = text[:1].upper() + text[1:].rstrip(".") + "."
    return None if wanted == text else wanted
