"""What one operation made of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.data.ask import Sight

Dropped = tuple[str, str, str]  # id, step, why


@dataclass(frozen=True)
class Step:
    """The batch after an operation, with the records that left it and the number of those that were made."""

    sight: Sight
    dropped: Sequence[Dropped] = field(default=())
    made: int = 0


def joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches one after the other as one; columns that some lack are null there."""
    if len(batches) == 1:
        return batches[0]
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    with one_type_each():
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    return table.to_batches()[0] if table.num_rows else batches[0].slice(0, 0)


@contextmanager
def one_type_each() -> Iterator[None]:
    """Turn a column that is of one type here and of another there into an error that names it."""
    try:
        yield
    except pa.ArrowTypeError as error:
        column = str(error).partition("Field ")[2] or str(error)
        raise UserError(f"{column}.", "A function gives values of one type: a number, or text, or null.") from error


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with this column in place of the one of that name, or at its end."""
    if name in batch.schema.names:
        return batch.set_column(batch.schema.names.index(name), name, values)
    return batch.append_column(name, values)
