"""JSON lines, one record a line, plain or compressed (.gz, .zst)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.cuts import cut_lines
from tunesmith.data.files import File, Line, blocks, lines, lines_of, size_of
from tunesmith.data.sources._fields import Fields
from tunesmith.data.sources._whole import quarantined

VERSION = 1
SUFFIXES = (".jsonl", ".ndjson")
LARGE_BYTES = 1 << 25  # of a file: for a smaller one, to load the compiled code takes longer than to do without
BLOCK_BYTES = 1 << 21


def jsonl(
    file: File, *, text: str = "text", id: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[Record | pa.RecordBatch]:
    """Records from JSON lines: `text` names the column of the text, `id` that of the row's own key.

    A record holds a text, or `messages`, or `chosen` and `rejected`; `columns` are the other columns to keep (all
    without it). Lines that are no JSON object or lack these are quarantined; blank ones are skipped. Raises UserError
    if no row at all has the column `text` or `id` names.
    """
    fields = Fields(text, id, columns)
    seen: set[str] = set()
    for item in _items(file, fields):
        if isinstance(item, pa.RecordBatch):
            seen.update(name for name in (text, id) if name)
            yield item
        elif item.error:
            yield quarantined(file, item.error, item.raw, line=item.number, offset=item.offset)
        elif item.raw.strip():
            yield _row(file, item, fields, seen)
    missing = fields.missing(seen) if file.start == 0 and seen else None  # a later part may be of another kind
    if missing:
        raise UserError(f"{file.uri}: no row has a column {missing!r}.", f"Columns there: {', '.join(sorted(seen))}.")


def split(file: File, size: int, **_: object) -> list[File]:
    """Parts of a large file that begin on lines."""
    return cut_lines(file, size)


def _items(file: File, fields: Fields) -> Iterator[pa.RecordBatch | Line]:
    """The lines of a file; of a large one, batches of those that compiled code can read (the records are the same)."""
    if (size_of(file) or 0) < LARGE_BYTES:
        yield from lines(file)
        return
    from tunesmith.data.sources._json_batches import batches, fits

    for block in blocks(file, BLOCK_BYTES):
        yield from batches(file, block, fields) if fits(fields) and not block.error else lines_of(block)


def _row(file: File, line: Line, fields: Fields, seen: set[str]) -> Record:
    try:
        given = orjson.loads(line.raw)
        if not isinstance(given, dict):
            raise ValueError(f"a {type(given).__name__} where a JSON object belongs")
        seen.update(given)
        record = fields.record(given)
    except ValueError as error:  # a JSONDecodeError is one
        return quarantined(file, str(error), line.raw, line=line.number, offset=line.offset)
    return {**record, "uri": file.uri, "line": line.number, "offset": line.offset}
