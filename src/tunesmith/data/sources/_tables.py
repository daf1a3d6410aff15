"""Arrow tables that a source reads: batches of documents pass as they are, all else becomes rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.rows import as_raw
from tunesmith.data.sources._fields import COLUMNS, TURNS, Fields
from tunesmith.data.sources._whole import quarantined

LABELS = ("group", "date")  # may be whole numbers


def check_columns(file: File, names: Sequence[str], fields: Fields) -> None:
    """Raise UserError if a table does not have the columns that are named."""
    missing = fields.missing(names) or next((name for name in fields.kept or () if name not in names), None)
    if missing:
        raise UserError(f"{file.uri}: the table has no column {missing!r}.", f"Columns there: {', '.join(names)}.")


def records(file: File, batch: pa.RecordBatch, fields: Fields, before: int) -> Iterator[Record | pa.RecordBatch]:
    """The records of a batch of which `before` rows stand before it in its file."""
    lines = np.arange(before + 1, before + 1 + batch.num_rows)
    batch = _readable(batch, fields)
    if not _is_plain(batch.schema, fields):
        yield from _rows(file, batch, fields, lines)
        return
    needed = [batch[name].is_valid() for name in (fields.text, fields.key) if name]
    good = needed[0] if len(needed) == 1 else pc.and_(*needed)
    try:
        documents = _documents(file, batch.filter(good), fields, pa.array(lines).filter(good))
    except (TypeError, UnicodeDecodeError):  # other columns hold what is no JSON
        yield from _rows(file, batch, fields, lines)
        return
    yield documents
    bad = pc.invert(good)
    yield from _rows(file, batch.filter(bad), fields, pa.array(lines).filter(bad).to_numpy())


def _readable(batch: pa.RecordBatch, fields: Fields) -> pa.RecordBatch:
    """The batch with text that is marked as bytes, compressed or large as plain text, and times as ISO 8601."""
    for place, field in enumerate(batch.schema):
        column = batch.column(place)
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "date" and pa.types.is_temporal(kind):
            column = pc.replace_substring(column.cast(pa.string()), " ", "T")
        elif _is_text(kind) or (field.name == fields.text and pa.types.is_binary(kind)):
            column = pc.cast(column, options=pc.CastOptions(pa.string(), allow_invalid_utf8=True))
        batch = batch.set_column(place, field.name, column)
    return batch


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _is_plain(schema: pa.Schema, fields: Fields) -> bool:
    """Whether the rows are documents whose columns have the types that the schema wants."""
    kinds, odd = {field.name: field.type for field in schema}, {*TURNS, "desirable", "tools"}
    if not pa.types.is_string(kinds.get(fields.text, pa.null())) or kinds.keys() & odd - {fields.text}:
        return False
    if fields.key and not (pa.types.is_string(kinds[fields.key]) or pa.types.is_integer(kinds[fields.key])):
        return False
    known = {name: kinds[name] for name in COLUMNS if name in kinds and name != fields.text}
    return all(
        pa.types.is_string(kind) or pa.types.is_null(kind) or (name in LABELS and pa.types.is_integer(kind))
        for name, kind in known.items()
    )


def _documents(file: File, batch: pa.RecordBatch, fields: Fields, lines: pa.Array) -> pa.RecordBatch:
    kept = batch.schema.names if fields.kept is None else list(fields.kept)
    known = {name: batch[name].cast(pa.string()) for name in kept if name in COLUMNS and name != fields.text}
    rest = [name for name in kept if name not in (*COLUMNS, fields.text)]
    columns = {**known, "text": batch[fields.text], "line": lines}
    columns["uri"] = pa.repeat(pa.scalar(file.uri), batch.num_rows)
    if rest:
        rows = batch.select(rest).to_pylist()
        columns["meta"] = pa.array([orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows]).cast(pa.string())
    if fields.key:
        columns["key"] = batch[fields.key].cast(pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _rows(file: File, batch: pa.RecordBatch, fields: Fields, lines: np.ndarray) -> Iterator[Record]:
    for number in range(batch.num_rows):
        line = int(lines[number])
        try:
            (row,) = batch.slice(number, 1).to_pylist()
        except UnicodeDecodeError as error:
            yield quarantined(file, f"not UTF-8: {error.object[error.start : error.end]!r}", error.object, line=line)
            continue
        try:
            yield {**fields.record(row), "uri": file.uri, "line": line}
        except ValueError as error:
            yield quarantined(file, str(error), as_raw(row).encode(), line=line)
