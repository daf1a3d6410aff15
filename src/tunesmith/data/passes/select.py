"""The best records for fine-tuning, by signals of quality and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.core.registry import near
from tunesmith.data.arrays import arrow
from tunesmith.data.kernels.sketch import (
    BUCKETS,
    DIMENSIONS,
    Vectors,
    inverse_frequencies,
    sketches,
    texts_with_words,
)
from tunesmith.data.passes._exchange import Entries
from tunesmith.data.passes._nearest import Taken, take
from tunesmith.data.passes._pool import Scorer, best_of, places_in, scorer_of
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.texts import NEEDED, texts_of

VERSION = 1
MEASURES = ("score", "nearest", "rank")
STEP = 0.05  # by which the limit is raised
ANY = 2.0  # above every cosine


def check(
    *, rows: int, by: Mapping[str, float] | Sequence[str], diversity: float = 0.7, pool: int = 20, **_: object
) -> None:
    """Raise UserError if there is nothing to choose, or nothing to choose by."""
    weights = _weights(by)
    if rows < 1 or pool < 1:
        raise UserError(f"select: {rows} rows from a pool of {pool} times as many.", "Both are 1 or more.")
    if not weights or any(weight == 0 or not math.isfinite(weight) for weight in weights.values()):
        hint = "For example by: {quality: 1, perplexity: -0.5}; below 0, less is better."
        raise UserError("select: by: names no signal, or weighs one by nothing.", hint)
    if not 0 <= diversity <= 1:
        raise UserError(f"select: diversity is {diversity:g}.", "From 0 (by score alone) to 1.")


def keep(*, rows: int, **_: object) -> Mapping[str, object]:
    """The default bound: the first `rows` ranks stay."""
    return {"rank": {"below": rows}}


def select(
    stream: Stream, *, rows: int, by: Mapping[str, float] | Sequence[str], diversity: float = 0.7, pool: int = 20
) -> Measured:
    """The best `rows` records by their `score`, leaving out any that is too like a better one; `rank` is their order.

    `by` names signals of earlier steps, with weights (below 0: less is better). The score is the weighted mean of the
    ranks of their values, from 0 to 1; equal values share a rank, a missing one is the worst. From the best `pool`
    times `rows` records, the best first, each is taken whose text has a lower cosine (tf-idf of words) than 1 -
    `diversity` with all taken before it; `nearest` is the highest of those cosines. If that gives too few, the limit is
    raised by 0.05 at a time. Records outside the pool have its size as their rank.
    """
    # Score first, then distance to those taken, as in DEITA (Liu et al. 2023, arXiv 2312.15685): against k-center or
    # facility location it reads a pool once, keeps only what it took in memory, and can name why a record was left.
    check(rows=rows, by=by, diversity=diversity, pool=pool)
    weights = {_column(stream, name): weight for name, weight in _weights(by).items()}
    scorer = scorer_of(stream, weights, stream.scratch / "ranks")
    best = best_of(stream, scorer, rows * pool)
    vectors = _vectors(stream, best)
    taken = take(vectors, _limits(diversity), rows)
    found = _Found(best, _ranks(taken, len(best)), taken.similarity)
    for shard, scores in zip(stream.shards, stream.executor.map(scorer, stream.shards, lane="threads"), strict=True):
        yield found.table(shard, scores)
    return _story(scorer, best, taken, take(vectors[:rows], [ANY]), _limits(diversity))


def _weights(by: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    return dict(by) if isinstance(by, Mapping) else dict.fromkeys(by, 1.0)


def _column(stream: Stream, name: str) -> str:
    known = [column for column in stream.dataset.columns if column.startswith(SIGNAL)]
    if f"{SIGNAL}{name}" not in known:
        hint = near(name, [column.removeprefix(SIGNAL) for column in known]) if known else "Put - signal: steps first."
        raise UserError(f"select: no step before it measures {name!r}.", hint)
    return f"{SIGNAL}{name}"


def _limits(diversity: float) -> list[float]:
    """The limits on the cosine, the strictest first, and at last none.

    >>> _limits(0.12)
    [0.88, 0.93, 0.98, 2.0]
    """
    raised = int(diversity / STEP) + 1 if diversity else 0
    return [round(1 - diversity + STEP * step, 4) for step in range(raised)] + [ANY]


@dataclass(frozen=True)
class _Words:
    """How many texts of the pool in a shard have a word of each bucket."""

    rows: Rows
    pool: Entries

    def __call__(self, shard: int) -> NDArray[np.int64]:
        _, texts = _texts(self.rows, self.pool, shard)
        return texts_with_words(texts)


@dataclass(frozen=True)
class _Sketch:
    """The places in the pool of a shard's records, and their vectors."""

    rows: Rows
    pool: Entries
    weights: NDArray[np.float64]

    def __call__(self, shard: int) -> tuple[NDArray[np.int64], Vectors]:
        places, texts = _texts(self.rows, self.pool, shard)
        return places, sketches(texts, self.weights)


def _texts(rows: Rows, pool: Entries, shard: int) -> tuple[NDArray[np.int64], pa.StringArray]:
    places, numbers = places_in(pool, shard)
    return places, texts_of(rows.read(shard, NEEDED).take(arrow(numbers)))


def _vectors(stream: Stream, pool: Entries) -> Vectors:
    """The vectors of the pool, in a file."""
    counts = np.zeros(BUCKETS, np.int64)
    for each in stream.executor.map(_Words(stream.rows, pool), stream.shards, lane="threads"):
        counts += each
    if not len(pool):
        return np.zeros((0, DIMENSIONS), np.int8)
    vectors: Vectors = np.memmap(Path(stream.scratch, "vectors"), np.int8, "w+", shape=(len(pool), DIMENSIONS))
    sketch = _Sketch(stream.rows, pool, inverse_frequencies(counts, len(pool)))
    for places, made in stream.executor.map(sketch, stream.shards, lane="threads"):
        vectors[places] = made
    return vectors


def _ranks(taken: Taken, count: int) -> NDArray[np.int64]:
    """The rank of each record of the pool: those taken in their order, then the others in theirs."""
    rest = np.ones(count, bool)
    rest[taken.order] = False
    ranks = np.empty(count, np.int64)
    ranks[np.concatenate([taken.order, np.flatnonzero(rest)])] = np.arange(count)
    return ranks


@dataclass(frozen=True)
class _Found:
    """What is known of the pool, for the tables of shards."""

    pool: Entries
    ranks: NDArray[np.int64]
    nearest: NDArray[np.float64]

    def table(self, shard: int, scores: NDArray[np.float64]) -> pa.Table:
        """What was measured of a shard's records."""
        places, rows = places_in(self.pool, shard)
        ranks, nearest = np.full(len(scores), len(self.pool)), np.full(len(scores), np.nan)
        ranks[rows], nearest[rows] = self.ranks[places], self.nearest[places]
        near = pa.array(nearest.tolist(), pa.float64(), from_pandas=True)  # NaN is null
        return pa.table([arrow(scores), near, arrow(ranks)], names=list(MEASURES))


def _story(scorer: Scorer, pool: Entries, taken: Taken, alone: Taken, limits: Sequence[float]) -> dict[str, object]:
    """What was found: the chosen beside those that the score alone would choose."""
    count = len(taken.order)
    scores = [float(pool["score"][each.order].mean()) if count else 0.0 for each in (taken, alone)]
    nearest = [float(each.similarity[each.order].mean()) if count else 0.0 for each in (taken, alone)]
    highest = float(taken.similarity[taken.order].max()) if count else 0.0
    limit = next(each for each in limits if highest < each)
    sentences = [
        f"{count:,} records were chosen from the best {len(pool):,}: mean score {scores[0]:.3f} "
        f"({scores[1]:.3f} by score alone), mean cosine with the nearest taken before {nearest[0]:.3f} "
        f"({nearest[1]:.3f} by score alone)."
    ]
    if limits[0] < ANY:
        raised = "" if limit == limits[0] else f", raised from {limits[0]:g} for want of others"
        sentences.append(
            f"The limit on cosines is {limit:g}{raised}." if limit < ANY else "At last any were taken, however alike."
        )
    sentences += [
        f"{each.missing:,} records have no {each.column.removeprefix(SIGNAL)}, and got the worst rank in it."
        for each in scorer.ranks
        if each.missing
    ]
    chosen = {"score": scores, "nearest": nearest, "limit": [limit]}
    return {"sentences": sentences, "chosen": {name: np.round(each, 6).tolist() for name, each in chosen.items()}}
