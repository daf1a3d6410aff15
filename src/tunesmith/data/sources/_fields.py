"""What the sources of rows with named fields share: how a row becomes a record, and how one that cannot is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import orjson

TURNS = ("messages", "chosen", "rejected")
COLUMNS = (*TURNS, "desirable", "target", "tools", "group", "license", "date")


@dataclass(frozen=True)
class Fields:
    """Which fields of a row are its text and its key, and which of the others stay (all without `kept`)."""

    text: str = "text"
    key: str | None = None
    kept: Sequence[str] | None = None

    def record(self, given: Mapping[str, object]) -> dict[str, object]:
        """A row as a record without its place; raises ValueError, which says what it lacks."""
        if self.key and given.get(self.key) is None:
            raise ValueError(f"no {self.key!r}")
        if given.get(self.text) is None and not _has_turns(given):
            raise ValueError(f"no {self.text!r}; columns there: {', '.join(map(str, given))}")
        kept = given if self.kept is None else {name: given[name] for name in self.kept if name in given}
        columns = (*COLUMNS, "margin") if given.get("chosen") else COLUMNS  # elsewhere it may be anything
        known = {name: kept[name] for name in columns if name in kept and name != self.text}
        meta = {name: value for name, value in kept.items() if name not in (*columns, self.text)}
        key = {"key": key_text(given[self.key])} if self.key else {}
        return {**known, "text": given.get(self.text), "meta": meta, **key}

    def wanted(self, columns: Sequence[str]) -> list[str]:
        """Those of a table's columns that have to be read."""
        asked = columns if self.kept is None else {self.text, self.key, *TURNS, *self.kept}
        return [name for name in columns if name in asked]

    def missing(self, columns: Collection[str]) -> str | None:
        """The first named field that is not among the columns of a file, if any; conversations need no text."""
        needed = [self.text] if not set(columns) & set(TURNS[:2]) else []
        return next((name for name in (*needed, self.key) if name and name not in columns), None)


def _has_turns(given: Mapping[str, object]) -> bool:
    return bool(given.get("messages")) or (bool(given.get("chosen")) and bool(given.get("rejected")))


def key_text(value: object) -> str:
    """A row's own key as text."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
