"""JSON lines, one record a line, plain or compressed (.gz, .zst)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.files import File, Line, check_not_empty, lines

VERSION = 1
COLUMNS = ("messages", "target", "chosen", "rejected", "tools", "group", "license", "date")


def jsonl(file: File, *, text: str = "text", id: str | None = None) -> Iterator[Record]:
    """Records from JSON lines: `text` names the column of the text, `id` that of the row's own key.

    A record holds a text, or `messages`, or `chosen` and `rejected`. Lines that are no JSON object or lack these are
    quarantined; blank ones are skipped. Raises UserError if no row at all has the column `text` or `id` names.
    """
    check_not_empty(file)
    seen = Seen()
    for line in lines(file):
        if line.error:
            yield _quarantined(file, line, line.error)
        elif line.raw.strip():
            yield _row(file, line, text, id, seen)
    for name in (text, id):
        if name and seen.rows and not seen.has(name):
            hint = f"Columns there: {', '.join(sorted(seen.columns))}."
            raise UserError(f"{file.uri}: no row has a column {name!r}.", hint)


@dataclass
class Seen:
    """What the rows of a file had, for the error that says what is missing."""

    rows: int = 0
    columns: set[str] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether rows had this column, or, for the text, are conversations or pairs."""
        return name in self.columns or (name == "text" and bool(self.columns & {"messages", "chosen"}))


def _row(file: File, line: Line, text: str, id: str | None, seen: Seen) -> Record:
    try:
        given = orjson.loads(line.raw)
    except orjson.JSONDecodeError as error:
        return _quarantined(file, line, str(error))
    if not isinstance(given, dict):
        return _quarantined(file, line, f"a {type(given).__name__} where a JSON object belongs")
    seen.rows += 1
    seen.columns |= given.keys()
    if id and given.get(id) is None:
        return _quarantined(file, line, f"no {id!r}")
    if given.get(text) is None and not _has_turns(given):
        return _quarantined(file, line, f"no {text!r}; columns there: {', '.join(given)}")
    known = {name: given[name] for name in COLUMNS if name in given}
    meta = {name: value for name, value in given.items() if name not in (*COLUMNS, text)}
    row = {**known, "text": given.get(text), "meta": meta, "uri": file.uri, "line": line.number, "offset": line.offset}
    return {**row, "key": _key(given[id])} if id else row


def _has_turns(given: Record) -> bool:
    return bool(given.get("messages")) or (bool(given.get("chosen")) and bool(given.get("rejected")))


def _key(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _quarantined(file: File, line: Line, error: str) -> Record:
    entry = {"uri": file.uri, "line": line.number, "offset": line.offset, "error": error, "raw": line.raw}
    return {"quarantine": entry}
