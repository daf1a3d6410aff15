"""What near_dedup measured, as tables: similarity, survivor, cluster and the passage that a removed record shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow
from tunesmith.data.kernels.words import Bytes, Offsets, table
from tunesmith.data.passes._sketches import Codes, Shingles, Sketches, code
from tunesmith.data.passes._stars import Stars
from tunesmith.data.passes._verified import Sets
from tunesmith.data.stream import Rows

MEASURES = ("similarity", "survivor", "cluster", "passage")
SHOWN = 200  # characters of a passage
NOBODY = np.int64(1 << 62)  # the code of no row


@dataclass(frozen=True)
class Near:
    """Rows, sorted by code, with the highest similarity to another one that was verified below the bound."""

    codes: Codes
    values: NDArray[np.float64]


def nearest_that_stay(below: NDArray[np.void], stars: Stars) -> Near:
    """For rows that stay, the highest verified similarity to another that stays, which is within the bound."""
    stays = ~stars.are_among(below["first"], stars.gone) & ~stars.are_among(below["second"], stars.gone)
    below = below[stays]
    codes = np.concatenate([below["first"], below["second"]])
    values = np.tile(below["similarity"], 2)
    order = np.lexsort((-values, codes))
    codes, values = codes[order], values[order]
    first = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    return Near(codes[first], values[first])


@dataclass(frozen=True)
class Tables:
    """What was measured of the rows of a shard."""

    rows: Rows
    sketches: Sketches
    shingles: Shingles
    stars: Stars
    near: Near
    sets: tuple[Sets, ...]

    def __call__(self, shard: int) -> pa.Table:
        facts = self.sketches.facts(shard)
        codes = code(shard, np.arange(len(facts)))
        survivors, similarities, clusters = self.stars.survivor_of(codes)
        if len(self.near.codes):
            places = np.minimum(np.searchsorted(self.near.codes, codes), len(self.near.codes) - 1)
            is_near = (self.near.codes[places] == codes) & (survivors < 0)
            similarities = np.where(is_near, self.near.values[places], similarities)
        measured = arrow(np.array(facts["size"] > 0))
        nothing = pa.nulls(len(codes), pa.float64())
        columns = [
            pc.if_else(measured, arrow(similarities), nothing),
            self._names(survivors),
            self._names(clusters),
            self._passages(shard, survivors),
        ]
        return pa.Table.from_arrays(columns, names=list(MEASURES))

    def _names(self, codes: NDArray[np.int64]) -> pa.StringArray:
        there = np.flatnonzero(codes >= 0)
        names: list[str | None] = [None] * len(codes)
        for place, name in zip(there.tolist(), self.sketches.ids_of(codes[there]), strict=True):
            names[place] = name
        return pa.array(names, pa.string())

    def _passages(self, shard: int, survivors: NDArray[np.int64]) -> pa.StringArray:
        """What removed rows share with their survivors: the longest run of n-grams at the beginning of their texts."""
        from tunesmith.data.kernels.pairs import shared_passages

        gone = np.flatnonzero(survivors >= 0)
        shown: list[str | None] = [None] * len(survivors)
        if not len(gone):
            return pa.array(shown, pa.string())
        own = code(shard, gone)
        is_own = self._held(own)
        texts = np.where(is_own, own, survivors[gone])  # one whose n-grams are those of another shares all with it
        data, offsets = self._heads(texts)
        others, cuts = self._heads(np.where(is_own & (self.shingles.unit == "words"), survivors[gone], NOBODY))
        starts, ends = np.zeros(len(gone), np.int64), np.zeros(len(gone), np.int64)
        shared_passages(data, offsets, others, cuts, table(self.shingles.folds), self.shingles.n, starts, ends)
        for place, start, end in zip(gone.tolist(), starts.tolist(), ends.tolist(), strict=True):
            excerpt = data[start : min(end, start + 4 * SHOWN)].tobytes().decode("utf-8", "ignore")
            shown[place] = " ".join(excerpt.split())[:SHOWN]
        return pa.array(shown, pa.string())

    def _held(self, codes: Codes) -> NDArray[np.bool_]:
        held = np.zeros(len(codes), bool)
        for sets in self.sets:
            held |= sets.hold(codes)
        return held

    def _heads(self, codes: Codes) -> tuple[Bytes, Offsets]:
        """The beginnings of these texts one after the other, in this order; nothing of what was not collected."""
        wanted = np.unique(codes)
        whose = np.full(len(wanted), -1)
        parts, sizes = [np.zeros(0, np.uint8)], [np.zeros(0, np.int64)]
        count = 0
        for sets in self.sets:
            held = sets.hold(wanted) & (whose < 0)
            pieces, cuts = sets.heads(wanted[held])
            whose[held] = count + np.arange(int(held.sum()))
            count += int(held.sum())
            parts.append(pieces)
            sizes.append(np.diff(cuts))
        bounds = np.append(0, np.cumsum(np.concatenate(sizes)))
        return _in_order(np.concatenate(parts), bounds, whose[np.searchsorted(wanted, codes)])


def _in_order(pieces: Bytes, bounds: Offsets, which: NDArray[np.int64]) -> tuple[Bytes, Offsets]:
    """The pieces one after the other in this order, some of them more than once."""
    sizes = np.where(which >= 0, np.diff(np.append(bounds, bounds[-1]))[which], 0)
    starts = bounds[:-1][which] if len(bounds) > 1 else np.zeros(len(which), np.int64)
    flat = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
    return pieces[flat], np.append(0, np.cumsum(sizes))
