"""All rows of a list in a random order."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.hashing import hash128
from tunesmith.data.arrays import arrow
from tunesmith.data.dataset import VERDICTS
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.stretch import SHARD_BYTES

VERSION = 1
WRITES_ROWS = True
KEY = np.dtype([("high", "<u8"), ("low", "<u8")])


def shuffle(stream: Stream) -> Measured:
    """Puts all records in an order drawn from the seed and their ids, whatever order they stand in before.

    Each shard is sorted by its rows' keys and written aside; a range of keys of all shards is a shard of the new order.
    """
    columns = tuple(name for name in stream.dataset.columns if name not in VERDICTS)
    sort = _Sort(stream.rows, columns, stream.seed, stream.scratch)
    sizes = list(stream.executor.map(sort, stream.shards, lane="threads"))
    count = max(1, round(sum(size for size, _ in sizes) / SHARD_BYTES)) if sizes else 0
    edges = [(number << 64) // max(1, count) for number in range(count + 1)]
    merge = _Merge(stream.scratch, len(sizes))
    yield from stream.executor.map(merge, list(pairwise(edges)), lane="threads")
    return {
        "sentences": [
            f"{sum(rows for _, rows in sizes):,} records are in a new order, drawn from the seed and their ids."
        ]
    }


@dataclass(frozen=True)
class _Sort:
    """Writes the rows of a shard in their new order, with their keys; gives their bytes and their number."""

    rows: Rows
    columns: tuple[str, ...]
    seed: int
    folder: Path

    def __call__(self, shard: int) -> tuple[int, int]:
        table = self.rows.read(shard, self.columns)
        salt = str(self.seed)
        hashes = [hash128([salt, name]) for name in table["id"].to_pylist()]
        keys = np.frombuffer(b"".join(hashes), KEY)
        order = _order(keys)
        np.save(self.folder / f"{shard:05d}.npy", keys[order])
        ordered = table.take(arrow(order)).combine_chunks()
        # Uncompressed, so that a range of it is read where it lies and nothing else is.
        with pa.ipc.new_file(self.folder / f"{shard:05d}.arrow", ordered.schema) as file:
            file.write_table(ordered)
        return ordered.nbytes, ordered.num_rows


def _order(keys: NDArray[np.void]) -> NDArray[np.int64]:
    return np.lexsort((keys["low"], keys["high"]))


@dataclass(frozen=True)
class _Merge:
    """The rows of all shards whose keys are in a range, in order."""

    folder: Path
    shards: int

    def __call__(self, ends: tuple[int, int]) -> pa.Table:
        slices, keys = [], []
        for shard in range(self.shards):
            own = np.load(self.folder / f"{shard:05d}.npy", mmap_mode="r")
            first, last = (_place(own, end) for end in ends)
            keys.append(np.array(own[first:last]))
            with pa.memory_map(str(self.folder / f"{shard:05d}.arrow")) as file:
                slices.append(pa.ipc.open_file(file).read_all().slice(first, last - first))
        rows = pa.concat_tables(slices, promote_options="permissive")
        return rows.take(arrow(_order(np.concatenate(keys)))).combine_chunks()


def _place(keys: NDArray[np.void], end: int) -> int:
    """Where keys from `end` on begin; searched where they lie, so that few of them are read."""
    high = keys["high"]
    return len(high) if end >= 1 << 64 else bisect_left(high, end)
