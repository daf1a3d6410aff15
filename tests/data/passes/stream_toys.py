"""A stream over rows that are in memory, cut into shards: what the tests of passes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from tunesmith.core.executor import LocalExecutor
from tunesmith.core.record import COLUMNS
from tunesmith.data.dataset import Dataset
from tunesmith.data.rows import to_batch
from tunesmith.data.stream import Stream

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Shards:
    """Tables in memory that are read as a dataset is."""

    tables: tuple[pa.Table, ...]

    @property
    def shards(self) -> int:
        return len(self.tables)

    @property
    def columns(self) -> list[str]:
        return list(self.tables[0].column_names)

    def read(self, shard: int, columns: Sequence[str], *, part: str | None = None) -> pa.Table:
        table = self.tables[shard]
        arrays = [
            table[name] if name in table.column_names else pa.nulls(table.num_rows, COLUMNS[name]) for name in columns
        ]
        return pa.table(arrays, names=list(columns))


def stream_of(*shards: Rows, scratch: Path, workers: int = 1, seed: int = 7) -> Stream:
    """A stream whose shards hold these rows."""
    batches = [to_batch(rows, source="toys")[0] for rows in shards]
    tables = tuple(pa.Table.from_batches([batch]) for batch in batches)
    scratch.mkdir(parents=True, exist_ok=True)
    return Stream(cast(Dataset, Shards(tables)), LocalExecutor(workers), scratch, seed)


def ids_of(stream: Stream) -> list[str]:
    return [name for shard in stream.shards for name in stream.read(shard, ["id"])["id"].to_pylist()]


def column(tables: Sequence[pa.Table], name: str) -> list[object]:
    return [value for table in tables for value in table[name].to_pylist()]


def texts(*given: str) -> Rows:
    return [{"text": text} for text in given]
