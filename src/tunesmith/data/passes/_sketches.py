"""What near_dedup works out of each row once, whatever the threshold: its signature, and what ranks it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.record import Where
from tunesmith.data.kernels.words import Fold
from tunesmith.data.passes._batches import batches
from tunesmith.data.stream import Rows, Stream
from tunesmith.data.texts import NEEDED, texts_of

FACTS = np.dtype(
    [
        ("size", "<u4"),  # distinct n-grams; 0: not measured
        ("length", "<u4"),  # bytes of text
        ("high", "<u8"),  # these two stand for the set of n-grams
        ("low", "<u8"),
        ("id_high", "<u8"),  # and these are the id
        ("id_low", "<u8"),
    ]
)
Codes = NDArray[np.int64]  # a row of any shard: shard << 32 | row
ROW_BITS = 32


@dataclass(frozen=True)
class Shingles:
    """What a text is a set of: n-grams of words or characters, after folding."""

    unit: Literal["words", "characters"]
    n: int
    folds: tuple[Fold, ...]
    by: Where | None

    def texts(self, rows: Rows, shard: int) -> Iterator[pa.StringArray]:
        """The texts that are compared, of all rows of a shard, a few at a time."""
        return (texts_of(batch, self.by) for batch in batches(rows, shard, NEEDED))


@dataclass(frozen=True)
class Sketch:
    """Writes the signatures and the facts of one shard; gives how many rows it has."""

    rows: Rows
    shingles: Shingles
    permutations: int
    folder: Path

    def __call__(self, shard: int) -> int:
        from tunesmith.data.kernels.minhash import signatures
        from tunesmith.data.kernels.words import table

        ids = self.rows.read(shard, ["id"])["id"].to_pylist()
        facts = np.zeros(len(ids), FACTS)
        halves = np.frombuffer(bytes.fromhex("".join(ids)), ">u8").reshape(-1, 2)
        facts["id_high"], facts["id_low"] = halves[:, 0], halves[:, 1]
        made = np.empty((len(ids), self.permutations), np.uint32)
        signs, by_characters, start = table(self.shingles.folds), self.shingles.unit == "characters", 0
        for texts in self.shingles.texts(self.rows, shard):
            some = slice(start, start + len(texts))
            made[some], facts["size"][some], sums = signatures(
                texts, signs, by_characters=by_characters, n=self.shingles.n, permutations=self.permutations
            )
            facts["high"][some], facts["low"][some] = sums[:, 0], sums[:, 1]
            facts["length"][some] = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
            start = some.stop
        np.save(self.folder / f"signatures-{shard:05d}.npy", made)
        np.save(self.folder / f"facts-{shard:05d}.npy", facts)
        return len(ids)


@dataclass(frozen=True)
class Sketches:
    """The sketches of a list, and after its shards those of the list that it is compared with, if any."""

    folders: tuple[Path, ...]
    shards: tuple[int, ...]  # of each folder
    rows: tuple[Rows, ...]

    @property
    def own(self) -> range:
        """The shards of the list itself."""
        return range(self.shards[0])

    @property
    def all(self) -> range:
        """All shards, by the numbers that stand in codes."""
        return range(sum(self.shards))

    def place(self, shard: int) -> tuple[Rows, Path, int]:
        """The rows and the folder that a shard is of, and its number there."""
        return (self.rows[0], self.folders[0], shard) if shard < self.shards[0] else (
            self.rows[1], self.folders[1], shard - self.shards[0])  # fmt: skip

    def signatures(self, shard: int) -> NDArray[np.uint32]:
        """The signatures of one shard, read where they lie."""
        values, rows = mapped(self._path("signatures", shard), np.dtype(np.uint32)), len(self.facts(shard))
        return values.reshape(rows, len(values) // max(rows, 1))

    def facts(self, shard: int) -> NDArray[np.void]:
        """The facts of one shard, read where they lie."""
        return mapped(self._path("facts", shard), FACTS)

    def _path(self, what: str, shard: int) -> Path:
        _, folder, number = self.place(shard)
        return folder / f"{what}-{number:05d}.npy"

    def signatures_of(self, codes: Codes) -> NDArray[np.uint32]:
        """The signatures of these rows, whose codes are sorted."""
        parts = [self.signatures(shard)[rows] for shard, rows in by_shard(codes)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.uint32)

    def facts_of(self, codes: Codes) -> NDArray[np.void]:
        """The facts of these rows, whose codes are sorted."""
        return np.concatenate([np.zeros(0, FACTS), *(self.facts(shard)[rows] for shard, rows in by_shard(codes))])

    def ids_of(self, codes: Codes) -> list[str]:
        """The ids of these rows, in any order."""
        known = np.unique(codes)
        facts = self.facts_of(known)
        names = [f"{high:016x}{low:016x}" for high, low in zip(facts["id_high"], facts["id_low"], strict=True)]
        return [names[place] for place in np.searchsorted(known, codes).tolist()]


def mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values of a .npy file one after the other, read where they lie.

    np.load takes a quarter of a millisecond to read a header; a pass opens each of its files once for each partition.
    """
    with path.open("rb") as file:
        raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 10 + int.from_bytes(raw[8:10], "little")  # of format 1.0: magic, version, length of the header, header
    return np.ndarray((len(raw) - start) // dtype.itemsize, dtype, raw, start)


def by_shard(codes: Codes) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The shards that sorted codes name, each with its rows."""
    shards = codes >> ROW_BITS
    edges = np.flatnonzero(shards[1:] != shards[:-1]) + 1
    for some in np.split(codes, edges) if len(codes) else []:
        yield int(some[0] >> ROW_BITS), some & ((1 << ROW_BITS) - 1)


def code(shard: int, rows: NDArray[np.integer]) -> Codes:
    """The codes of rows of a shard."""
    return (np.int64(shard) << ROW_BITS) | rows.astype(np.int64)


def sketches(streams: Sequence[Stream], shingles: Shingles, permutations: int) -> Sketches:
    """The sketches of one list or two, worked out now unless that was done before for the same rows."""
    parameters = {"permutations": permutations, "version": 1, **vars(shingles)}
    folders = []
    for stream in streams:

        def work(folder: Path, stream: Stream = stream) -> None:
            task = Sketch(stream.rows, shingles, permutations, folder)
            list(stream.executor.map(task, stream.shards, lane="threads"))

        folders.append(stream.once("signatures", parameters, work))
    return Sketches(tuple(folders), tuple(len(one.shards) for one in streams), tuple(one.rows for one in streams))
