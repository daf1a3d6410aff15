"""Tables of delimited text with a header: CSV, TSV, plain or compressed."""

from __future__ import annotations

import csv as standard
from collections.abc import Iterator, Sequence

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.files import File, Line, check_not_empty, lines
from tunesmith.data.sources.jsonl import COLUMNS

VERSION = 1
FIELD_CHARACTERS = 1 << 24  # of one field; the parser's own limit of 2**17 is shorter than a long document


def csv(
    file: File,
    *,
    text: str = "text",
    id: str | None = None,
    delimiter: str | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Record]:
    """Records from a table whose first line names the columns: `text` is the text's, `id` that of the row's own key.

    `delimiter` is a comma, or a tab in .tsv and .tab files; `columns` are the other columns to keep (all without it).
    Rows that are not UTF-8 or have more or fewer fields than the header are quarantined. Raises UserError if a named
    column is not in the header.
    """
    check_not_empty(file)
    table = _records(file, delimiter or ("\t" if file.name.endswith((".tsv", ".tab")) else ","))
    names = _header(file, table)
    kept = names if columns is None else list(columns)
    for wanted in (text, *([id] if id else []), *kept):
        if wanted not in names:
            raise UserError(f"{file.uri}: the table has no column {wanted!r}.", f"Columns there: {', '.join(names)}.")
    for line, fields in table:
        if line.error:
            yield _quarantined(file, line, line.error)
        elif len(fields) != len(names):
            yield _quarantined(file, line, f"{len(fields)} fields where the header has {len(names)}")
        else:
            given = dict(zip(names, fields, strict=True))
            key = {"key": given[id]} if id else {}
            yield {**_row(given, text, kept), **key, "uri": file.uri, "line": line.number, "offset": line.offset}


Parsed = tuple[Line, list[str]]


def _header(file: File, table: Iterator[Parsed]) -> list[str]:
    line, fields = next(table, (Line(b"", None, 0), []))
    names = [name.strip() for name in fields]
    if line.error:
        raise UserError(f"{file.uri}: the header cannot be read: {line.error}.", "The first line names the columns.")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{file.uri}: the header names the column {twice!r} twice.", "Rename one of them.")
    return names


def _records(file: File, sign: str) -> Iterator[Parsed]:
    """Each record with the bytes it stands in, or with what is wrong with them; blank lines are skipped."""
    pulled: list[Line] = []

    def texts() -> Iterator[str]:
        for line in lines(file):
            pulled.append(line)
            if not line.error:
                yield line.raw.decode("utf-8", "surrogateescape")

    standard.field_size_limit(FIELD_CHARACTERS)
    reader = standard.reader(texts(), delimiter=sign, strict=True)
    while True:
        pulled.clear()
        try:
            fields = next(reader)
        except StopIteration:
            break
        except standard.Error as error:
            yield _whole(pulled, str(error)), []
            continue
        if fields:
            yield _whole(pulled, _not_utf8(pulled)), fields
    if pulled:
        yield _whole(pulled, ""), []


def _whole(pulled: Sequence[Line], error: str) -> Line:
    raw = b"".join(line.raw for line in pulled)
    return Line(raw, pulled[0].number, pulled[0].offset, pulled[-1].error or error)


def _not_utf8(pulled: Sequence[Line]) -> str:
    for line in pulled:
        try:
            line.raw.decode()
        except UnicodeDecodeError as error:
            return f"not UTF-8 at byte {line.offset + error.start}"
    return ""


def _row(given: dict[str, str], text: str, kept: Sequence[str]) -> dict[str, object]:
    known = {name: given[name] for name in kept if name in COLUMNS and given[name]}
    meta = {name: given[name] for name in kept if name not in (*COLUMNS, text)}
    return {**known, "text": given[text], "meta": meta}


def _quarantined(file: File, line: Line, error: str) -> Record:
    entry = {"uri": file.uri, "line": line.number, "offset": line.offset, "error": error, "raw": line.raw}
    return {"quarantine": entry}
