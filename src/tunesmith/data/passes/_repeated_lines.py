"""Which lines many documents have: hashes of lines, one sorted file a shard, counted by ranges of hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._batches import batches
from tunesmith.data.passes._exchange import partitions, within
from tunesmith.data.stream import Rows, Stream
from tunesmith.data.texts import column_of
from tunesmith.data.views import bytes_of

if TYPE_CHECKING:
    from tunesmith.data.kernels.lines import Repeated

PARTITION_LINES = 4_000_000  # hashes of lines in memory at once, of eight bytes

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Lines:
    """The lines that enough documents have: their hashes in order, and how many documents have each."""

    hashes: Hashes
    counts: NDArray[np.int64]
    first: NDArray[np.int32]  # the first shard that has it


@dataclass(frozen=True)
class Hashed:
    """Writes the hashes of the lines of one shard, each once a document.

    Gives how many documents there are, how many hashes, and how many rows.
    """

    rows: Rows
    shortest: int
    folder: Path

    def __call__(self, shard: int) -> tuple[int, int, int]:
        """Write one shard's file."""
        from tunesmith.data.kernels.lines import hash_lines, room_for  # numba takes a second to import
        from tunesmith.data.kernels.words import table

        found: list[Hashes] = [np.zeros(0, np.uint64)]
        documents, rows, signs = 0, 0, table(())
        for batch in batches(self.rows, shard, ["text"]):
            texts = column_of(batch, "text")
            documents, rows = documents + len(texts) - texts.null_count, rows + len(texts)
            data, offsets = bytes_of(texts)
            if offsets[-1] == offsets[0]:
                continue
            room = room_for(data, offsets)
            out = np.empty(len(room.ends) + len(texts), np.uint64)
            found.append(out[: hash_lines(data, offsets, signs, self.shortest, room, out)].copy())
        hashes = np.concatenate(found)
        hashes.sort()
        np.save(self.folder / f"{shard:05d}.npy", hashes)
        return documents, len(hashes), rows


def lines_of(stream: Stream, folder: Path, least: int, total: int) -> Lines:
    """The lines that stand in `least` documents at least, of `total` hashes in the files of a folder."""
    task = _Range(tuple(folder / f"{shard:05d}.npy" for shard in stream.shards), least)
    found = list(stream.executor.map(task, partitions(total, PARTITION_LINES), lane="threads"))
    return Lines(
        np.concatenate([one.hashes for one in found]),
        np.concatenate([one.counts for one in found]),
        np.concatenate([one.first for one in found]),
    )


@dataclass(frozen=True)
class _Range:
    """Counts the hashes of one range."""

    files: tuple[Path, ...]
    least: int

    def __call__(self, part: tuple[int, int]) -> Lines:
        slices = []
        for path in self.files:
            hashes = np.load(path, mmap_mode="r")
            slices.append(hashes[within(hashes, part)])
        together = np.concatenate([np.zeros(0, np.uint64), *slices])
        together.sort()
        starts = np.flatnonzero(np.append(True, together[1:] != together[:-1])[: len(together)])
        counts = np.diff(np.append(starts, len(together)))
        many = counts >= self.least
        hashes = together[starts[many]]
        return Lines(hashes, counts[many], _first(hashes, slices))


def _first(hashes: Hashes, slices: Sequence[Hashes]) -> NDArray[np.int32]:
    """The first of these sorted slices that has each hash."""
    first = np.full(len(hashes), -1, np.int32)
    for shard in reversed(range(len(slices))):
        if len(slices[shard]):
            places = np.searchsorted(slices[shard], hashes)
            has = slices[shard][np.minimum(places, len(slices[shard]) - 1)] == hashes
            first[has] = shard
    return first


def write_set(folder: Path, found: Lines, named: NDArray[np.int64], *, keep_first: bool) -> None:
    """Write the set of these lines, as `open_set` gives it; `named` are those whose text is wanted."""
    from tunesmith.data.kernels.lines import repeated

    numbers = np.full(len(found.hashes), -1, np.int32)
    numbers[named] = np.arange(len(named))
    first = found.first if keep_first else np.full(len(found.first), -1, np.int32)
    folder.mkdir(exist_ok=True)
    for name, column in repeated(found.hashes, first, numbers)._asdict().items():
        np.save(folder / f"{name}.npy", column)


def open_set(folder: Path) -> Repeated:
    """The set of lines in a folder; all tasks of a machine share its memory."""
    from tunesmith.data.kernels.lines import Repeated

    columns = (np.load(folder / f"{name}.npy", mmap_mode="c") for name in Repeated._fields)
    return Repeated(*(np.asarray(column) for column in columns))
