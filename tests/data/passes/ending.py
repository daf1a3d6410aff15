"""A pass run to its end: its tables, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import pyarrow as pa
from tests.data.passes.stream_toys import Shards

from tunesmith.data.dataset import Dataset
from tunesmith.data.stream import Measured, Stream


def ended(running: Measured) -> tuple[list[pa.Table], Mapping[str, object]]:
    """The tables of a pass, and what it found."""
    tables: list[pa.Table] = []
    while True:
        try:
            tables.append(next(running))
        except StopIteration as end:
            return tables, cast(Mapping[str, object], end.value)


@dataclass(frozen=True)
class WithSignals(Shards):
    """Shards that have signals."""

    columns: tuple[str, ...] = ()


def with_signals(stream: Stream, **signals: pa.Array) -> Stream:
    """The stream with signals by name, one value for each of its rows."""
    tables, start = [], 0
    for table in cast(Shards, stream.dataset).tables:
        for name, values in signals.items():
            table = table.append_column(f"signal.{name}", values.slice(start, table.num_rows))
        tables.append(table)
        start += table.num_rows
    return replace(
        stream, dataset=cast(Dataset, WithSignals(tuple(tables), tuple(f"signal.{name}" for name in signals)))
    )
