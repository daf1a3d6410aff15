"""How often each row is drawn so that its pool gives as much as a mix asks of it, exact to one row.

Copy k of a row with weight w is taken once the level of its pool reaches (k - 1 + u) / w, where u in (0, 1) is drawn
from the seed and the row's id: at level r a row of weight w is taken r * w times on average, every row either
floor(r * w) or one time more (sequential Poisson sampling, Ohlsson 1998, Journal of Official Statistics 14:149-162,
carried on beyond one copy). The level where a pool has given enough is found by narrowing a window of levels, with one
look at all shards for each factor of GRID, until the copies in it are few enough to be sorted: no pool is held in
memory, and neither shards nor workers change what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.executor import Executor
from tunesmith.core.hashing import hash128

ROW = np.dtype([("pool", "<i8"), ("u", "<f8"), ("low", "<u8"), ("weight", "<f8"), ("units", "<i8")])
COPY = np.dtype([("pool", "<i8"), ("level", "<f8"), ("low", "<u8"), ("units", "<i8")])
GRID = 16  # parts that a window is cut into at each look
SORTED_COPIES = 100_000  # of a pool

Rows = NDArray[np.void]  # of dtype ROW
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rows_of(ids: Sequence[str], pools: Ints, weights: Floats, units: Ints, seed: int) -> Rows:
    """What the draw has to know of each row."""
    salt = str(seed)
    hashes = np.frombuffer(b"".join(hash128([salt, name]) for name in ids), "<u8").reshape(-1, 2)
    rows = np.zeros(len(ids), ROW)
    rows["pool"], rows["weight"], rows["units"] = pools, weights, units
    rows["u"] = ((hashes[:, 0] >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52  # exact, and never 0 or 1
    rows["low"] = hashes[:, 1]
    return rows


@dataclass(frozen=True)
class Levels:
    """Up to where the copies of each pool's rows are taken: all at `low`, and in the window those up to the last."""

    low: Floats
    high: Floats
    last: Floats
    tie: NDArray[np.uint64]  # among copies of the same level
    most: int  # copies of a row, at any level

    def copies(self, rows: Rows) -> Ints:
        """How often each row is drawn."""
        taken = _taken(rows, self.low, self.most)
        index, found = _window(rows, self.low, self.high, self.most)
        last, pool = self.last[found["pool"]], found["pool"]
        is_taken = (found["level"] < last) | ((found["level"] == last) & (found["low"] <= self.tie[pool]))
        return taken + np.bincount(index[is_taken], minlength=len(rows))


def levels_for(executor: Executor, files: Sequence[Path], targets: Sequence[int], top: Floats, most: int) -> Levels:
    """The levels at which each pool gives the number of units nearest to its target; at `top` it gives all it has.

    `files` hold the rows of one shard each.
    """
    low, high, target = np.zeros(len(top)), top.copy(), np.array(targets, np.int64)
    pools = np.arange(len(top))
    while True:
        edges = np.linspace(low, high, GRID + 1, axis=1)
        edges[:, -1] = high
        units, copies = _summed(executor.map(_Look(edges, most), files, lane="threads"))
        place = np.minimum((units <= target[:, None]).sum(axis=1) - 1, GRID - 1)
        is_narrower = (edges[pools, place] > low) | (edges[pools, place + 1] < high)
        low, high = edges[pools, place], edges[pools, place + 1]
        if not (is_narrower & (copies[pools, place + 1] - copies[pools, place] > SORTED_COPIES)).any():
            return _ended(executor, files, target - units[pools, place], low, high, most)


def _summed(found: Iterable[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    units, copies = zip(*found, strict=True)
    return sum(units[1:], units[0]), sum(copies[1:], copies[0])


def _ended(executor: Executor, files: Sequence[Path], lacking: Ints, low: Floats, high: Floats, most: int) -> Levels:
    """The levels within windows of which the copies can be sorted."""
    window: Callable[[Path], Rows] = _Window(low, high, most)
    found = np.concatenate(list(executor.map(window, files, lane="threads")))
    last, tie = np.full(len(low), -1.0), np.zeros(len(low), np.uint64)
    for pool, wanted in enumerate(lacking.tolist()):
        own = found[found["pool"] == pool]
        own = own[np.lexsort((own["low"], own["level"]))]
        given = np.concatenate([[0], np.cumsum(own["units"])])
        count = int(np.argmin(np.abs(given - wanted)))
        if count:
            last[pool], tie[pool] = own["level"][count - 1], own["low"][count - 1]
    low, high, last = (np.append(each, 0.0) for each in (low, high, last))  # the last is for rows in no pool
    return Levels(low, high, last, np.append(tie, np.uint64(0)), most)


def _taken(rows: Rows, level: Floats, most: int) -> Ints:
    """How many copies of each row are taken at a level of each pool; none of a row in no pool."""
    reached: Floats = np.floor(level[rows["pool"]] * rows["weight"] + (1 - rows["u"]))
    return np.minimum(reached, most).astype(np.int64)


def _window(rows: Rows, low: Floats, high: Floats, most: int) -> tuple[Ints, Rows]:
    """The copies that are taken between two levels of each pool, and the row that each is of."""
    before = _taken(rows, low, most)
    between = _taken(rows, high, most) - before
    index = np.repeat(np.arange(len(rows)), between)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(between) - between, between)
    own = rows[index]
    found = np.zeros(len(index), COPY)
    found["pool"], found["low"], found["units"] = own["pool"], own["low"], own["units"]
    found["level"] = (before[index] + nth + own["u"]) / own["weight"]
    return index, found


@dataclass(frozen=True)
class _Look:
    """The units and the copies that the rows of a shard give at each edge, by pool."""

    edges: Floats  # pools x edges
    most: int

    def __call__(self, file: Path) -> tuple[Ints, Ints]:
        rows = pooled(file)
        units, copies = (np.zeros(self.edges.shape, np.int64) for _ in range(2))
        for edge in range(self.edges.shape[1]):
            taken = _taken(rows, self.edges[:, edge], self.most)
            np.add.at(units[:, edge], rows["pool"], taken * rows["units"])
            np.add.at(copies[:, edge], rows["pool"], taken)
        return units, copies


@dataclass(frozen=True)
class _Window:
    """The copies of a shard's rows within the windows."""

    low: Floats
    high: Floats
    most: int

    def __call__(self, file: Path) -> Rows:
        return _window(pooled(file), self.low, self.high, self.most)[1]


def pooled(file: Path) -> Rows:
    """The rows of a shard that are in a pool."""
    rows = np.load(file)
    found: Rows = rows[rows["pool"] >= 0]
    return found
