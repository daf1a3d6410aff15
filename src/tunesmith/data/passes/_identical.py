"""Which row of near_dedup ranks before which, and rows with the same set of n-grams, of which one stands for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.arrays import load_array
from tunesmith.data.passes._exchange import Back, first_of_each, partitions, read, write
from tunesmith.data.passes._sketches import Codes, Sketches, by_shard, code
from tunesmith.data.stream import Stream

PLACED = np.dtype([("high", "<u8"), ("low", "<u8"), ("shard", "<u4"), ("row", "<u4")])
FOLLOWS = np.dtype([("shard", "<u4"), ("row", "<u4"), ("leader", "<i8")])


@dataclass(frozen=True)
class Ranks:
    """The order of preference: what the recipe names, then the longest text, then the lowest id.

    Rows of a list that is compared against come before all others.
    """

    sketches: Sketches
    preferred: Path | None  # a file of numbers for each shard, the highest first

    def __call__(self, codes: Codes) -> NDArray[np.int64]:
        """The rank of each of these rows among them, 0 the best; equal codes have equal ranks."""
        known, inverse = np.unique(codes, return_inverse=True)
        facts = self.sketches.facts_of(known)
        keys = [facts["id_low"], facts["id_high"], -facts["length"].astype(np.int64)]
        if self.preferred is not None:
            keys.append(-self._numbers(known))
        keys.append((known >> 32 < self.sketches.shards[0]).astype(np.int64))
        ranks = np.empty(len(known), np.int64)
        ranks[np.lexsort(keys)] = np.arange(len(known))
        return ranks[inverse]

    def _numbers(self, codes: Codes) -> NDArray[np.float64]:
        assert self.preferred is not None  # asked only where there is one
        found = [np.zeros(0)]
        for shard, rows in by_shard(codes):
            path = self.preferred / f"{shard:05d}.npy"
            found.append(load_array(path, mmap_mode="r")[rows] if path.exists() else np.zeros(len(rows)))
        return np.concatenate(found)


def ranks_of(stream: Stream, sketches: Sketches, survivor: str | None, prefer: str) -> Ranks:
    """The ranks, with the signal that the recipe prefers rows by written down shard by shard."""
    if survivor is None:
        return Ranks(sketches, None)
    column = f"{SIGNAL}{survivor}"
    if column not in stream.dataset.columns:
        known = sorted(name.removeprefix(SIGNAL) for name in stream.dataset.columns if name.startswith(SIGNAL))
        raise UserError(f"near_dedup: no signal {survivor!r} was measured.", f"Measured: {', '.join(known) or 'none'}.")
    folder = stream.scratch / "preferred"
    folder.mkdir(exist_ok=True)
    for shard in stream.shards:
        values = stream.read(shard, [column])[column]
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_null(values.type)):
            raise UserError(f"near_dedup: {survivor} is no number.", "Name a signal that counts or measures.")
        numbers = values.cast(pa.float64()).to_numpy()
        worst = np.where(np.isnan(numbers), -np.inf, numbers if prefer == "highest" else -numbers)
        np.save(folder / f"{shard:05d}.npy", worst)
    return Ranks(sketches, folder)


@dataclass(frozen=True)
class _Sets:
    """Writes what stands for the sets of a shard, sorted; gives how many rows have one."""

    sketches: Sketches
    folder: Path

    def __call__(self, shard: int) -> int:
        facts = self.sketches.facts(shard)
        rows = np.flatnonzero(facts["size"])
        made = np.zeros(len(rows), PLACED)
        made["high"], made["low"] = facts["high"][rows], facts["low"][rows]
        made["shard"], made["row"] = shard, rows
        return write(self.folder, shard, made[np.lexsort((made["row"], made["low"], made["high"]))])


@dataclass(frozen=True)
class _Leaders:
    """Finds the rows of a partition that have the set of a better row."""

    sketches: Sketches
    ranks: Ranks
    folder: Path
    back: Back

    def __call__(self, numbered: tuple[int, tuple[int, int]]) -> int:
        number, part = numbered
        found = read(self.folder, part)
        groups = first_of_each(found)
        sizes = np.bincount(groups, minlength=len(found)) if len(found) else np.zeros(0, np.int64)
        several = np.flatnonzero(sizes[groups] > 1)
        codes = (found["shard"].astype(np.int64)[several] << 32) | found["row"][several]
        order = np.lexsort((self.ranks(codes), groups[several])) if len(codes) else np.zeros(0, np.int64)
        codes, group = codes[order], groups[several][order]
        starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
        leaders = np.repeat(codes[starts], np.diff(np.append(starts, len(codes))))
        follows = codes != leaders
        if len(self.sketches.shards) > 1:  # rows of the list itself are not compared with one another
            follows &= leaders >> 32 >= self.sketches.shards[0]
        made = np.zeros(int(follows.sum()), FOLLOWS)
        made["shard"], made["row"] = codes[follows] >> 32, codes[follows] & 0xFFFFFFFF
        made["leader"] = leaders[follows]
        self.back.write(number, made)
        return len(made)


@dataclass(frozen=True)
class Leaders:
    """For each row with the set of a better row, that row."""

    sketches: Sketches
    back: Back

    def followers(self, shard: int) -> NDArray[np.void]:
        """The rows of a shard that follow another, with their leaders."""
        return self.back.of_shard(shard)

    def standing(self, shard: int) -> NDArray[np.int64]:
        """The rows of a shard that have a set and stand for themselves."""
        stands = np.array(self.sketches.facts(shard)["size"] > 0)
        stands[self.followers(shard)["row"]] = False
        return np.flatnonzero(stands)

    def all(self, shards: Sequence[int]) -> tuple[Codes, Codes]:
        """All followers of these shards and their leaders."""
        found = [self.followers(shard) for shard in shards]
        codes = [code(shard, one["row"]) for shard, one in zip(shards, found, strict=True)]
        empty = np.zeros(0, np.int64)
        return np.concatenate([empty, *codes]), np.concatenate([empty, *(one["leader"] for one in found)])


def leaders_of(stream: Stream, sketches: Sketches, ranks: Ranks) -> Leaders:
    """Who leads whom."""
    folder = stream.scratch / "sets"
    counts = list(stream.executor.map(_Sets(sketches, folder), sketches.all, lane="threads"))
    back = Back(stream.scratch / "followers")
    ranges = list(enumerate(partitions(sum(counts))))
    list(stream.executor.map(_Leaders(sketches, ranks, folder, back), ranges, lane="threads"))
    return Leaders(sketches, back)
