"""The best records of a list by a weighted mean of ranks: as many as a choice is made from, never all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._exchange import Entries, key_of
from tunesmith.data.passes._ranks import Numbers, Ranks, numbers, ranks_of
from tunesmith.data.stream import Rows, Stream

BEST = np.dtype([("score", "<f8"), ("tie", "<u8"), ("shard", "<u4"), ("row", "<u4")])


@dataclass(frozen=True)
class Scorer:
    """The score of each record of a shard, from 0 to 1: the weighted mean of its ranks; a missing one is the worst."""

    rows: Rows
    ranks: tuple[Ranks, ...]
    weights: tuple[float, ...]

    def __call__(self, shard: int) -> Numbers:
        table = self.rows.read(shard, [each.column for each in self.ranks])
        total = np.zeros(table.num_rows)
        for each, weight in zip(self.ranks, self.weights, strict=True):
            ranks = each.of(numbers(table, each.column))
            good = ranks if weight > 0 else 1 - ranks
            total += np.where(np.isnan(good), 0.0, good) * abs(weight)
        scores: Numbers = np.round(total / sum(map(abs, self.weights)), 9)
        return scores


@dataclass(frozen=True)
class _Best:
    """The best records of a shard; equal scores in an order drawn from the seed and their ids."""

    scorer: Scorer
    seed: int
    count: int

    def __call__(self, shard: int) -> Entries:
        scores = self.scorer(shard)
        ids = self.scorer.rows.read(shard, ["id"])["id"].to_pylist()
        made = np.zeros(len(scores), BEST)
        made["score"], made["shard"], made["row"] = scores, shard, np.arange(len(scores))
        made["tie"] = [int.from_bytes(key_of([str(self.seed), name])[:8], "little") for name in ids]
        return _first(made, self.count)


def _first(found: Entries, count: int) -> Entries:
    order = np.lexsort((found["tie"], -found["score"]))
    best: Entries = found[order[:count]]
    return best


def scorer_of(stream: Stream, by: Mapping[str, float], folder: Path) -> Scorer:
    """What scores the records of a stream by these columns and their weights."""
    ranks = tuple(ranks_of(stream, column, folder / f"{number}") for number, column in enumerate(by))
    return Scorer(stream.rows, ranks, tuple(by.values()))


def best_of(stream: Stream, scorer: Scorer, count: int) -> Entries:
    """The best records of all shards, best first, at most `count` of them."""
    best = np.zeros(0, BEST)
    for found in stream.executor.map(_Best(scorer, stream.seed, count), stream.shards, lane="threads"):
        best = _first(np.concatenate([best, found]), count)
    return best


def places_in(pool: Entries, shard: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places in the pool of a shard's records, and their rows."""
    places = np.flatnonzero(pool["shard"] == shard)
    return places, pool["row"][places].astype(np.int64)
