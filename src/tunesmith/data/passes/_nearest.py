"""Vectors taken in a given order, unless one that was taken is too similar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 2_048  # vectors that are compared at once

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Taken:
    """Which vectors were taken, in order; and the nearest of those taken before each, with its similarity."""

    order: NDArray[np.int64]
    similarity: NDArray[np.float64]  # NaN for one that was never compared
    nearest: NDArray[np.int64]  # its position; -1 where there is none


def take(vectors: NDArray[np.generic], limits: Sequence[float], wanted: int | None = None) -> Taken:
    """Take vectors in their order, up to `wanted`, each if its cosine with all taken before is below the limit.

    When all were looked at and some are still wanted, those left are looked at again under the next limit. Only the
    taken ones are in memory; `vectors` may lie in a file. Cosines are rounded to six places.
    """
    count = len(vectors)
    wanted = count if wanted is None else min(wanted, count)
    state = _State(np.full(count, np.nan), np.full(count, -1, np.int64), np.zeros(count, bool), [], [])
    known = np.zeros(-(-count // BLOCK), np.int64)  # how many of those taken each block was compared with
    for limit in limits:
        for number, start in enumerate(range(0, count, BLOCK)):
            if len(state.order) >= wanted:
                break
            _look(state, vectors, np.arange(start, min(start + BLOCK, count)), int(known[number]), limit, wanted)
            known[number] = state.before
    return Taken(np.array(state.order, np.int64), state.similarity, state.nearest)


@dataclass
class _State:
    """What is known while vectors are taken."""

    similarity: NDArray[np.float64]
    nearest: NDArray[np.int64]
    is_taken: NDArray[np.bool_]
    order: list[int]
    pieces: list[Floats]  # of those taken, as unit vectors
    before: int = 0  # how many were taken when the last block began

    def since(self, known: int) -> Floats:
        """The vectors taken after so many."""
        self.pieces = [np.concatenate(self.pieces)] if len(self.pieces) > 1 else self.pieces
        return self.pieces[0][known:] if self.pieces else np.zeros((0, 1), np.float32)

    def meet(self, rows: NDArray[np.int64], cosines: NDArray[np.float64], others: NDArray[np.int64]) -> None:
        """Note the nearest of others, by the cosine of each row with each of them."""
        if not len(rows) or not len(others):
            return
        best = cosines.argmax(axis=1)
        value = cosines[np.arange(len(rows)), best]
        nearer = ~(self.similarity[rows] >= value)  # the first of equals stays
        self.similarity[rows[nearer]], self.nearest[rows[nearer]] = value[nearer], others[best[nearer]]


def _look(
    state: _State, vectors: NDArray[np.generic], rows: NDArray[np.int64], known: int, limit: float, wanted: int
) -> None:
    """Compare a block with those taken since it was last seen, then its own among one another, and take."""
    state.before = len(state.order)
    rows = rows[~state.is_taken[rows]]
    block, lengths = _floats(vectors[rows])
    taken = state.since(known)
    others = np.array(state.order[known:], np.int64)
    if len(taken):
        state.meet(rows, cosines(block, lengths, taken, lengths_of(taken)), others)
    unseen = np.isnan(state.similarity[rows])
    state.similarity[rows[unseen]] = 0.0
    among = cosines(block, lengths, block, lengths)
    chosen: list[int] = []
    for place, row in enumerate(rows.tolist()):
        if len(state.order) >= wanted:
            break
        if state.similarity[row] < limit:
            state.order.append(row)
            state.is_taken[row] = True
            chosen.append(place)
            state.meet(rows[place + 1 :], among[place + 1 :, place : place + 1], np.array([row]))
    state.pieces.append(block[chosen])


def _floats(vectors: NDArray[np.generic]) -> tuple[Floats, NDArray[np.float64]]:
    block = np.asarray(vectors, np.float32)
    return block, lengths_of(block)


def lengths_of(block: Floats) -> NDArray[np.float64]:
    """The length of each vector."""
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
    return lengths


def cosines(
    one: Floats, lengths: NDArray[np.float64], other: Floats, other_lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The cosine of each of one with each of the other, to six places; 0 with a vector of zeros."""
    products = (one @ other.T).astype(np.float64)
    scale = np.maximum(lengths[:, None] * other_lengths[None, :], 1e-12)
    rounded: NDArray[np.float64] = np.round(products / scale, 6)
    return rounded
