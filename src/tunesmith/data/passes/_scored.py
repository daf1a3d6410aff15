"""The rows of a list scored under a model, and the few of them, drawn by seed and id, that stand for the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from tunesmith.core.executor import Executor
from tunesmith.core.hashing import hash128
from tunesmith.core.record import Where
from tunesmith.data.likelihood import SCORES, Floats, likelihood_scores
from tunesmith.data.passes._told_apart import lengths_of, words_of
from tunesmith.data.stream import Rows
from tunesmith.data.texts import NEEDED, texts_of

EVERY = 2**64 - 1  # the largest number that an id is drawn by

Uints = NDArray[np.uint64]


@dataclass(frozen=True)
class Side:
    """The rows that stand for a list, as long as they have scores."""

    values: Floats  # [rows, SCORES]
    groups: Sequence[str]  # a row's group, or the hash of its text
    words: csr_matrix
    lengths: Floats

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Scored:
    """Rows of one shard with their scores, not-a-number where there is nothing to score."""

    values: Floats
    groups: Sequence[str]
    texts: Sequence[str]
    drawn: Uints

    def side(self, limit: int) -> Side:
        """Those that have scores and were drawn by a number up to the limit."""
        rows = np.flatnonzero(~np.isnan(self.values[:, 0]) & (self.drawn <= np.uint64(limit))).tolist()
        texts = [self.texts[row] for row in rows]
        return Side(self.values[rows], [self.groups[row] for row in rows], words_of(texts), lengths_of(texts))


@dataclass(frozen=True)
class Scoring:
    """Scores the rows of one shard that were drawn by a number up to the limit."""

    rows: Rows
    model: str
    k: float
    on: Where | None
    seed: int
    limit: int = EVERY

    def __call__(self, shard: int) -> Scored:
        table = self.rows.read(shard, list(dict.fromkeys(["id", "group", *NEEDED])))
        drawn = _numbers(table, self.seed)
        some = np.flatnonzero(drawn <= np.uint64(self.limit))
        table = table.take(pa.array(some.tolist(), pa.int64()))
        texts = [text or "" for text in texts_of(table, self.on).to_pylist()]
        groups = [
            hash128([text]).hex() if group is None else str(group)
            for group, text in zip(table["group"].to_pylist(), texts, strict=True)
        ]
        return Scored(likelihood_scores(self.model, texts, self.k), groups, texts, drawn[some])

    def side(self, executor: Executor) -> Side:
        """All the rows that were drawn."""
        return joined(scored.side(self.limit) for scored in executor.map(self, self.rows.shards, lane="threads"))


@dataclass(frozen=True)
class Lowest:
    """The lowest of the numbers that the rows of one shard were drawn by."""

    rows: Rows
    seed: int
    count: int

    def __call__(self, shard: int) -> Uints:
        drawn = _numbers(self.rows.read(shard, ["id"]), self.seed)
        return np.sort(drawn)[: self.count]


def limit_of(executor: Executor, rows: Rows, seed: int, count: int) -> int:
    """The number up to which `count` rows of a list were drawn, or EVERY if it has no more."""
    lowest = np.zeros(0, np.uint64)
    for more in executor.map(Lowest(rows, seed, count), rows.shards, lane="threads"):
        lowest = np.sort(np.concatenate([lowest, more]))[:count]
    return int(lowest[-1]) if len(lowest) == count else EVERY


def joined(pieces: Iterable[Side]) -> Side:
    """The rows of several shards as one side."""
    every = list(pieces) or [Side(np.zeros((0, len(SCORES))), [], words_of([]), lengths_of([]))]
    return Side(
        np.concatenate([piece.values for piece in every]),
        [group for piece in every for group in piece.groups],
        csr_matrix(vstack([piece.words for piece in every])),
        np.concatenate([piece.lengths for piece in every]),
    )


def _numbers(table: pa.Table, seed: int) -> Uints:
    """A number for each row that depends on the seed and its id alone."""
    keys = b"".join(hash128([str(seed), str(name)])[:8] for name in table["id"].to_pylist())
    return np.frombuffer(keys, "<u8")
