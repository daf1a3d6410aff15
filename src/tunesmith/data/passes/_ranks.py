"""The rank of each record by a signal, as a share of all that have it; equal values share a rank."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.passes import _exchange
from tunesmith.data.stream import Rows, Stream

COUNTED = np.dtype([("value", "<f8"), ("rows", "<i8")])
RANKED = np.dtype([("value", "<f8"), ("rank", "<f8")])
SAMPLES = 256  # values of each shard, from which ranges of values are cut

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """The ranks of all values of one signal, in files sorted by value."""

    column: str
    folder: Path
    missing: int  # records without it

    def of(self, values: Numbers) -> Numbers:
        """The rank of each value, 0 the least and 1 the highest; NaN where there is none."""
        ranks = np.full(len(values), np.nan)
        for path in sorted(self.folder.glob("*.npy")):
            known = np.load(path)
            places = np.minimum(np.searchsorted(known["value"], values), len(known) - 1)
            hit = known["value"][places] == values
            ranks[hit] = known["rank"][places[hit]]
        return ranks


def ranks_of(stream: Stream, column: str, folder: Path) -> Ranks:
    """Rank all records by a signal, with values met in ranges, so that few are in memory at once."""
    count = _Count(stream.rows, column, folder / "values")
    missing = sum(stream.executor.map(count, stream.shards, lane="threads"))
    files = [np.load(path, mmap_mode="r")["value"] for path in sorted(count.folder.glob("*.npy"))]
    ranked, before = folder / "ranks", 0.0
    ranked.mkdir()
    counted = [np.load(path, mmap_mode="r") for path in sorted(count.folder.glob("*.npy"))]
    total = sum(int(found["rows"].sum()) for found in counted)
    for number, (first, last) in enumerate(_ranges(files)):
        slices = [
            slice(bisect_left(values, first), len(values) if last is None else bisect_left(values, last))
            for values in files
        ]
        met = np.concatenate([found[where] for found, where in zip(counted, slices, strict=True)])
        values, places = np.unique(met["value"], return_inverse=True)
        rows = np.bincount(places, weights=met["rows"], minlength=len(values))
        made = np.zeros(len(values), RANKED)
        made["value"], made["rank"] = values, (before + np.cumsum(rows) - rows / 2) / max(1, total)
        if len(made):
            np.save(ranked / f"{number:05d}.npy", made)
        before += float(rows.sum())
    return Ranks(column, ranked, missing)


def _ranges(files: Sequence[NDArray[np.float64]]) -> list[tuple[float, float | None]]:
    """Ranges of values, first included and last excluded, with about PARTITION_ROWS of all shards' values in each."""
    count = max(1, -(-sum(map(len, files)) // _exchange.PARTITION_ROWS))
    samples = np.sort(np.concatenate([values[:: max(1, len(values) // SAMPLES)] for values in files]))
    inner = sorted({float(samples[len(samples) * number // count]) for number in range(1, count)})
    edges: list[float | None] = [*inner, None]
    return list(zip([-np.inf, *inner], edges, strict=True))


@dataclass(frozen=True)
class _Count:
    """Writes the different values of a shard with their records; gives how many records have none."""

    rows: Rows
    column: str
    folder: Path

    def __call__(self, shard: int) -> int:
        values = numbers(self.rows.read(shard, [self.column]), self.column)
        found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        made = np.zeros(len(found), COUNTED)
        made["value"], made["rows"] = found, counts
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.folder / f"{shard:05d}.npy", made)
        return int(np.isnan(values).sum())


def numbers(table: pa.Table, column: str) -> Numbers:
    """The numbers of a column; NaN for null. Raises UserError for one of text."""
    values = table[column].combine_chunks()
    kind = values.type
    if not (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    ):
        name = column.removeprefix(SIGNAL)
        raise UserError(f"{name} is {kind}, and only numbers have an order.", "Name a signal that gives a number.")
    wide = values.cast(pa.int8()) if pa.types.is_boolean(kind) else values
    given: Numbers = pc.fill_null(wide.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    return given + 0.0  # no negative zero
