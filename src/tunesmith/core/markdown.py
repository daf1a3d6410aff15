"""Markdown of cards: tables, lists and values as they stand in a cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

Table = Sequence[Sequence[object]]


def table(header: Sequence[str], rows: Table) -> str:
    r"""A table; nothing where it has no rows.

    >>> print(table(("part", "rows"), [("train", 12408), ("a|b", None)]))
    | part | rows |
    | --- | --- |
    | train | 12,408 |
    | a\|b |  |
    """
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """A value on one line, with whole numbers in groups of three digits."""
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else short(value)
    return " ".join(text.split()).replace("|", "\\|")


def short(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def bullets(sentences: Iterable[str]) -> str:
    """A list, one sentence a line."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def fenced(text: str, language: str) -> str:
    """A block of code, whatever fences stand in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
