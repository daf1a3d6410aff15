"""Records divided into parts: whole groups where most is lacking, all others by the hash of their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.kernels.fill import fill
from tunesmith.data.passes._exchange import Back, Entries, partitions, read
from tunesmith.data.passes._groups import Groups, Meet, Scan, groups_of, runs, summed, together
from tunesmith.data.passes._together import NONE, Keys
from tunesmith.data.stream import Stream

MOST_STRATA = 10_000
DRAWN = np.dtype([("shard", "<u4"), ("row", "<u4"), ("part", "<i8")])
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Assign:
    """The part of each record of a shard, and how many each stratum and part got: in groups, and in no group."""

    own: Path
    joined: Back
    drawn: Back | None  # where strata are divided: the part of each record in no group
    groups: Groups
    part_of_group: Numbers
    strata: Keys
    shares: tuple[float, ...]

    def __call__(self, shard: int) -> tuple[Numbers, Numbers]:
        entries = np.load(self.own / f"{shard:05d}.npy")
        entries = entries[np.argsort(entries["row"])]
        joined = self.joined.of_shard(shard)
        entries["value"][joined["row"]] = joined["value"]
        grouped = entries["value"] != NONE
        parts = np.searchsorted(list(accumulate(self.shares)), entries["high"] / 2.0**64, side="right")
        parts = np.minimum(parts, len(self.shares) - 1)
        if self.drawn is not None:
            drawn = self.drawn.of_shard(shard)
            parts[drawn["row"]] = drawn["part"]
        parts[grouped] = self.part_of_group[self.groups.of(entries["value"][grouped])]
        counts = np.zeros((len(self.strata), len(self.shares), 2), np.int64)
        np.add.at(counts, (np.searchsorted(self.strata, entries["stratum"]), parts, (~grouped).astype(int)), 1)
        return parts, counts


@dataclass(frozen=True)
class Division:
    """How a list is divided: its groups with their sizes and parts, its strata, and the task that does it."""

    assign: Assign
    sizes: Numbers  # records of each group
    is_large: NDArray[np.bool_]
    names: Mapping[int, str]  # of strata
    columns: tuple[str, ...]
    joined: int  # groups that equal texts have put together

    @property
    def shape(self) -> tuple[int, int, int]:
        """Strata, parts, and whether in a group or in none."""
        return len(self.assign.strata), len(self.assign.shares), 2


def divide(
    stream: Stream, columns: tuple[str, ...], parts: Mapping[str, float], largest: float, stratify: str | None
) -> Division:
    """Work out the part of each group, and, where strata are divided, of each record in none."""
    own, joined, drawn = (stream.scratch / name for name in ("own", "joined", "drawn"))
    each = partial(stream.executor.map, lane="threads")
    told = together(each(Scan(stream.rows, columns, stratify, stream.seed, own), list(stream.shards)))
    if len(told.strata) > MOST_STRATA:
        problem = f"split: {stratify!r} has {len(told.strata):,} values, too many to divide by."
        raise UserError(problem, "Choose a column with few values.")
    ranges = list(enumerate(partitions(told.rows)))
    met = together(each(Meet(own, Back(joined)), ranges))
    units = summed(np.concatenate([told.units, met.units]))
    strata = np.array(sorted(told.strata) or [0], np.uint64)
    alone, grouped = units[units["value"] == NONE], units[units["value"] != NONE]
    links = np.concatenate([told.links, met.links])
    groups = groups_of(links, grouped)
    cells_SP = _wanted(units if stratify else grouped, strata, parts)
    filled = _fill(groups, grouped, strata, cells_SP, largest * told.rows)
    if stratify:
        _draw(own, ranges, Back(drawn), strata, _bounds(cells_SP, alone, strata))
    assign = Assign(
        own, Back(joined), Back(drawn) if stratify else None, groups, filled.parts, strata, tuple(parts.values())
    )
    apart = groups_of(told.links, told.units).count - groups.count
    return Division(assign, filled.sizes, filled.is_large, told.strata, columns, apart)


def _wanted(units: Entries, strata: Keys, parts: Mapping[str, float]) -> NDArray[np.float64]:
    """How many records of each stratum each part should have."""
    rows = np.zeros(len(strata))
    np.add.at(rows, np.searchsorted(strata, units["stratum"]), units["rows"])
    return np.outer(rows, list(parts.values()))


@dataclass(frozen=True)
class _Filled:
    parts: Numbers
    sizes: Numbers
    is_large: NDArray[np.bool_]


def _fill(groups: Groups, units: Entries, strata: Keys, lacking_SP: NDArray[np.float64], large: float) -> _Filled:
    """The part of each group; what it gets is taken from what is lacking."""
    group = groups.of(units["value"])
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(groups.count + 1))
    sizes = np.bincount(group, weights=units["rows"], minlength=groups.count).astype(np.int64)
    parts = np.zeros(groups.count, np.int64)
    is_large = sizes > large
    cells = np.searchsorted(strata, units["stratum"][order])
    fill(bounds, cells, units["rows"][order].astype(np.int64), is_large, lacking_SP, parts)
    return _Filled(parts, sizes, is_large)


def _bounds(lacking_SP: NDArray[np.float64], alone: Entries, strata: Keys) -> Numbers:
    """Up to which of the records in no group of each stratum, in the order of their hashes, each part goes."""
    rows = np.zeros(len(strata))
    np.add.at(rows, np.searchsorted(strata, alone["stratum"]), alone["rows"])
    lacking_SP = np.maximum(lacking_SP, 0)
    shares_SP = lacking_SP / np.maximum(lacking_SP.sum(axis=1, keepdims=True), 1e-9)
    bounds: Numbers = np.rint(np.cumsum(shares_SP, axis=1) * rows[:, None]).astype(np.int64)
    return bounds


def _draw(
    own: Path, ranges: Sequence[tuple[int, tuple[int, int]]], drawn: Back, strata: Keys, bounds_SP: Numbers
) -> None:
    """The part of each record in no group: partition after partition, as hashes of texts are in their order."""
    before_S = np.zeros(len(strata), np.int64)
    for number, part in ranges:
        found = runs(read(own, part))
        alone = (found.rows["value"] == NONE) & (found.value == NONE)
        stratum = np.searchsorted(strata, found.stratum[alone])
        order = np.argsort(stratum, kind="stable")
        firsts = np.searchsorted(stratum[order], np.arange(len(strata)))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order)) - firsts[stratum[order]] + before_S[stratum[order]]
        _, first, inverse = np.unique(found.start[alone], return_index=True, return_inverse=True)
        rank = rank[first][inverse]  # equal texts have the rank of their first
        result = np.zeros(len(rank), DRAWN)
        result["shard"], result["row"] = found.rows["shard"][alone], found.rows["row"][alone]
        result["part"] = np.minimum((bounds_SP[stratum] <= rank[:, None]).sum(axis=1), bounds_SP.shape[1] - 1)
        drawn.write(number, result)
        before_S += np.bincount(stratum, minlength=len(strata))
