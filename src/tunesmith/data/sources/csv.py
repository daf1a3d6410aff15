"""Tables of delimited text with a header: CSV, TSV, plain or compressed."""

from __future__ import annotations

import csv as standard
from collections.abc import Iterator, Sequence

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.cuts import cut_records
from tunesmith.data.files import File, Line, lines
from tunesmith.data.sources._fields import COLUMNS
from tunesmith.data.sources._whole import quarantined

VERSION = 1
SUFFIXES = (".csv", ".tsv", ".tab")
FIELD_CHARACTERS = 1 << 28  # of one field; the parser's own limit of 2**17 is shorter than a long document


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
    Rows that are not UTF-8 or have more or fewer fields than the header are quarantined, and so is a file whose header
    is not UTF-8. Raises UserError if a named column is not in the header.
    """
    sign = _sign(file, delimiter)
    table = _records(file, sign)
    nothing = Line(b"", 1, 0, "the file holds nothing but white space"), [""]
    line, header = next(table if file.start == 0 else _records(file.whole, sign), nothing)
    if line.error:
        yield quarantined(file, line.error, line.raw, line=line.number, offset=line.offset)
        return
    names = [name.strip() for name in header]
    kept = _check_header(file, names, (text, *([id] if id else []), *(columns or [])), columns)
    for line, values in table:
        wrong = "" if len(values) == len(names) else f"{len(values)} fields where the header has {len(names)}"
        if line.error or wrong:
            yield quarantined(file, line.error or wrong, line.raw, line=line.number, offset=line.offset)
        else:
            given = dict(zip(names, values, strict=True))
            key = {"key": given[id]} if id else {}
            yield {**_row(given, text, kept), **key, "uri": file.uri, "line": line.number, "offset": line.offset}


def split(file: File, size: int, *, delimiter: str | None = None, **_: object) -> list[File]:
    """Parts of a large file that begin on records, whatever line ends stand inside quotes."""
    return cut_records(file, size, sign=_sign(file, delimiter))


Parsed = tuple[Line, list[str]]


def _sign(file: File, delimiter: str | None) -> str:
    return delimiter or ("\t" if file.name.endswith((".tsv", ".tab")) else ",")


def _check_header(file: File, names: list[str], wanted: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """The columns to keep; raises UserError if the header does not have those that are wanted, each once."""
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{file.uri}: the header names the column {twice!r} twice.", "Rename one of them.")
    if missing := next((name for name in wanted if name not in names), None):
        raise UserError(f"{file.uri}: the table has no column {missing!r}.", f"Columns there: {', '.join(names)}.")
    return names if columns is None else list(columns)


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
