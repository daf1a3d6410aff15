"""How near_dedup finds all pairs: it proposes, verifies, settles, and compares anew what stays in large buckets."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.data.arrays import arrow
from tunesmith.data.passes._identical import Leaders, Ranks
from tunesmith.data.passes._proposals import Bands, Buckets, Keys, Proposals, Proposed, parts_of, unique_pairs
from tunesmith.data.passes._sketches import ROW_BITS, Codes, Shingles, Sketches, mapped
from tunesmith.data.passes._stars import Stars, stars_of
from tunesmith.data.passes._verified import Sets, verify
from tunesmith.data.stream import Stream
from tunesmith.data.verdicts import failing

PAIRS_AT_ONCE = 4_000_000  # of those that partitions wrote, are in memory together
ROUNDS = 20  # of comparing anew in large buckets; each but the last finds a pair, and two or three are usual


@dataclass(frozen=True)
class Search:
    """What pairs are looked for among, and how."""

    stream: Stream
    sketches: Sketches
    shingles: Shingles
    ranks: Ranks
    leaders: Leaders
    bands: Bands
    bound: Bound

    def verify(self, pairs: NDArray[np.int64], name: str, *also: Codes) -> tuple[NDArray[np.void], Sets]:
        """The pairs with their true similarities, and the sets of their rows, and of others."""
        others = np.concatenate([np.zeros(0, np.int64), *also])
        return verify(self.stream, self.sketches, self.shingles, pairs, name, others)

    def beyond(self, verified: NDArray[np.void]) -> NDArray[np.void]:
        """The pairs that the bound refuses."""
        refused: NDArray[np.void] = verified[failing(pa.chunked_array([arrow(verified["similarity"])]), self.bound)]
        return refused

    def stars(self, verified: NDArray[np.void]) -> Stars:
        """Who stays, of the rows in pairs that the bound refuses."""
        return stars_of(self.beyond(verified), self.ranks)


def limit_of(bound: Bound) -> float:
    """The similarity from which on pairs are looked for: where the bound begins to refuse."""
    limits = [limit for limit in (bound.below, bound.max) if isinstance(limit, int | float)]
    if not limits or not 0 < min(limits) <= 1:
        raise UserError(
            f"near_dedup: the bound '{bound}' on similarity refuses no pairs.", "For example similarity: {below: 0.8}."
        )
    return float(min(limits))


@dataclass(frozen=True)
class Found:
    """All pairs that were verified, the stars of those beyond the bound, and how they were come by."""

    verified: NDArray[np.void]
    stars: Stars
    sets: tuple[Sets, ...]
    came: Proposed
    rounds: int


def find_pairs(search: Search) -> Found:
    """Every pair that the bands propose, verified, until no two rows that stay have been left uncompared."""
    stream, sketches = search.stream, search.sketches
    keys, folder, large = (stream.scratch / name for name in ("keys", "pairs", "large"))
    for one in (keys, folder, large):
        one.mkdir()
    task = Keys(sketches, search.bands, search.leaders, keys)
    entries = sum(stream.executor.map(task, sketches.all, lane="threads"))
    proposals = Proposals(sketches, search.ranks, limit_of(search.bound), keys, folder, large)
    parts = list(enumerate(parts_of(entries)))
    came = sum(stream.executor.map(proposals, parts, lane="threads"), Proposed())
    _, led = search.leaders.all(sketches.own)
    verified, sets = search.verify(_written(folder, len(sketches.all)), "sets-1", led)
    found = Found(verified, search.stars(verified), (sets,), came, 1)
    while found.rounds < ROUNDS and (again := _again(search, proposals, found)) is not None:
        found = again
    return found


def _again(search: Search, proposals: Proposals, found: Found) -> Found | None:
    """Compare all rows of large buckets that stay now: some were only compared with a row that goes.

    None if that finds no pair beyond the bound.
    """
    came = found.came
    parts = [np.zeros((0, 2), np.int64)]
    for path in sorted(proposals.large.glob("*.npz")):
        with np.load(path) as stored:
            buckets = Buckets(stored["codes"], stored["bounds"])
        if len(buckets.codes):
            stays = ~found.stars.are_among(buckets.codes, found.stars.gone)
            came += proposals.compare(int(path.stem), buckets.only(stays), everyone=True)
            parts.append(np.load(proposals.folder / f"{path.stem}.npy"))
    known = np.stack([found.verified["first"], found.verified["second"]], axis=1)
    new = without(unique_pairs(np.concatenate(parts)), known)
    verified, sets = search.verify(new, f"sets-{found.rounds + 1}")
    if not len(search.beyond(verified)):
        return None
    whole = np.concatenate([found.verified, verified])
    return Found(whole, search.stars(whole), (*found.sets, sets), came, found.rounds + 1)


def _written(folder: Path, shards: int) -> NDArray[np.int64]:
    """All pairs, each once, of which partitions wrote some several times: a few shards of first rows at a time."""
    files = [mapped(path, np.dtype(np.int64)).reshape(-1, 2) for path in sorted(folder.glob("*.npy"))]
    parts = [np.zeros((0, 2), np.int64)]
    count = max(1, sum(map(len, files)) // PAIRS_AT_ONCE)
    for first, last in pairwise(shards * number // count << ROW_BITS for number in range(count + 1)):
        here = [one[bisect_left(one[:, 0], first) : bisect_left(one[:, 0], last)] for one in files]
        parts.append(unique_pairs(np.concatenate([parts[0], *here])))
    return np.concatenate(parts)


def without(pairs: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pairs that are not among the known ones."""
    both = np.concatenate([known, pairs])
    _, inverse, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    is_new: NDArray[np.bool_] = counts[inverse.reshape(-1)[len(known) :]] == 1
    return pairs[is_new]
