"""Parquet files, one record a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.record import Record
from tunesmith.data.files import READ_ERRORS, File
from tunesmith.data.sources._fields import Fields
from tunesmith.data.sources._tables import check_columns, records
from tunesmith.data.sources._whole import quarantined, seekable

VERSION = 1
SUFFIXES = (".parquet",)
BATCH_ROWS = 1000
BATCH_BYTES = 8 << 20  # long documents make short batches
TABLE_ERRORS = (pa.ArrowException, *READ_ERRORS)


def parquet(
    file: File, *, text: str = "text", id: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[Record | pa.RecordBatch]:
    """Records from the rows of Parquet: `text` names the column of the text, `id` that of the row's own key.

    A record holds a text, or `messages`, or `chosen` and `rejected`; `columns` are the other columns to keep (all
    without it). The line of a record is the number of its row. Rows that lack these are quarantined, and so are files
    and row groups that are damaged. Raises UserError if a named column is not in the table.
    """
    fields = Fields(text, id, columns)
    for before, item in tables(file, fields):
        yield from records(file, item, fields, before) if isinstance(item, pa.RecordBatch) else [item]


def split(file: File, size: int, **_: object) -> list[File]:
    """Parts of a large file: runs of its row groups of about `size` bytes."""
    try:
        with seekable(file) as stream, pq.ParquetFile(stream) as table:
            groups = [table.metadata.row_group(number) for number in range(table.num_row_groups)]
    except TABLE_ERRORS:
        return [file]  # whoever reads it is told
    parts, filled, rows = [], size, 0
    for number, group in enumerate(groups):
        if filled >= size:
            parts.append((number, rows))
            filled = 0
        filled += _bytes_of(group)
        rows += group.num_rows
    if len(parts) < 2:
        return [file]
    ends = [*(number for number, _ in parts[1:]), len(groups)]
    return [File(file.path, file.uri, start, end, rows) for (start, rows), end in zip(parts, ends, strict=True)]


def tables(file: File, fields: Fields | None = None) -> Iterator[tuple[int, pa.RecordBatch | Record]]:
    """The batches of a file, each with how many rows stand before it, and a quarantined row for what is damaged."""
    try:
        with seekable(file) as stream, pq.ParquetFile(stream) as table:
            names = table.schema_arrow.names
            if fields:
                check_columns(file, names, fields)
                names = fields.wanted(names)
            before = file.lines_before or 0
            for number in range(file.start, table.num_row_groups if file.end is None else file.end):
                yield from _group(file, table, number, names, before)
                before += table.metadata.row_group(number).num_rows
    except TABLE_ERRORS as error:
        yield 0, quarantined(file, f"this is no Parquet file, or it is cut or damaged: {error}")


def _group(
    file: File, table: pq.ParquetFile, number: int, names: Sequence[str], before: int
) -> Iterator[tuple[int, pa.RecordBatch | Record]]:
    group = table.metadata.row_group(number)
    mean_bytes = group.total_byte_size / max(1, group.num_rows)
    rows = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, mean_bytes))))
    last = before + group.num_rows
    try:
        for batch in table.iter_batches(rows, [number], names):
            yield before, batch
            before += batch.num_rows
    except TABLE_ERRORS as error:
        lost = f"rows {before + 1:,} to {last:,} (row group {number}) are damaged: {error}"
        yield before, quarantined(file, lost, line=before + 1)


def _bytes_of(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(number).total_compressed_size for number in range(group.num_columns))
