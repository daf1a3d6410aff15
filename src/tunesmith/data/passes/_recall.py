"""How many pairs near_dedup missed: an exhaustive search from a sample of rows, beside what was settled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.hashing import hash128
from tunesmith.data.passes._near_pairs import Found, Search, limit_of, without
from tunesmith.data.passes._proposals import DEVIATIONS, unique_pairs
from tunesmith.data.passes._sketches import Codes, Sketches, code

COMPARED = 16_000_000  # pairs of signatures that the search may look at
MOST_PAIRS = 200_000  # of one shard that are verified


@dataclass(frozen=True)
class Recall:
    """The pairs beyond the bound that a search from so many rows found, and those of them of which a row goes."""

    rows: int
    pairs: int
    settled: int


@dataclass(frozen=True)
class _Search:
    """The pairs of sampled rows with rows of one shard whose signatures are alike enough to be verified."""

    sketches: Sketches
    sampled: Codes
    threshold: float

    def __call__(self, standing: tuple[int, NDArray[np.int64]]) -> NDArray[np.int64]:
        from tunesmith.data.kernels.pairs import search

        shard, rows = standing
        own, others = self.sketches.signatures_of(self.sampled), self.sketches.signatures(shard)[rows]
        places = own.shape[1]
        deviation = math.sqrt(self.threshold * (1 - self.threshold) / places)
        pairs = np.zeros((MOST_PAIRS, 2), np.int64)
        count = search(own, others, math.ceil(places * (self.threshold - DEVIATIONS * deviation)), pairs)
        pairs = pairs[: min(count, MOST_PAIRS)]
        found = np.stack([self.sampled[pairs[:, 0]], code(shard, rows[pairs[:, 1]])], axis=1)
        apart: NDArray[np.int64] = found[found[:, 0] != found[:, 1]]
        return apart


def measured_recall(search: Search, found: Found) -> Recall:
    """Compare the signatures of sampled rows with all others, verify what is alike, and see whether it was settled."""
    made, stream = search.sketches, search.stream
    standing = [(shard, search.leaders.standing(shard)) for shard in made.all]
    total = sum(len(rows) for _, rows in standing)
    own = np.concatenate([np.zeros(0, np.int64), *(code(shard, rows) for shard, rows in standing[: len(made.own)])])
    sampled = _sampled(own, min(len(own), max(1, COMPARED // max(total, 1))), stream.seed)
    if not len(sampled):
        return Recall(0, 0, 0)
    others = standing if len(made.shards) == 1 else standing[len(made.own) :]
    task = _Search(made, sampled, limit_of(search.bound))
    parts = list(stream.executor.map(task, others, lane="threads"))
    pairs = unique_pairs(np.concatenate([np.zeros((0, 2), np.int64), *parts]))
    new = without(pairs, np.stack([found.verified["first"], found.verified["second"]], axis=1))
    known = found.verified[_are_among(found.verified, pairs)]
    beyond = search.beyond(np.concatenate([known, search.verify(new, "sets-recall")[0]]))
    gone = found.stars.gone
    settled = found.stars.are_among(beyond["first"], gone) | found.stars.are_among(beyond["second"], gone)
    return Recall(len(sampled), len(beyond), int(settled.sum()))


def _are_among(verified: NDArray[np.void], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which verified pairs the search came upon as well."""
    found = set(zip(pairs[:, 0].tolist(), pairs[:, 1].tolist(), strict=True))
    both = zip(verified["first"].tolist(), verified["second"].tolist(), strict=True)
    return np.fromiter((pair in found for pair in both), bool, len(verified))


def _sampled(codes: Codes, count: int, seed: int) -> Codes:
    """So many of the rows, the same for the same rows and seed."""
    draw = np.random.Generator(np.random.PCG64(int.from_bytes(hash128([str(seed), "recall"])[:8], "little")))
    return np.sort(draw.choice(codes, count, replace=False)) if count < len(codes) else codes
