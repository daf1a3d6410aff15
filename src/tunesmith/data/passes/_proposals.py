"""Pairs that near_dedup looks at: rows whose signatures are equal in a whole band, and alike enough altogether."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._exchange import within
from tunesmith.data.passes._identical import Leaders, Ranks
from tunesmith.data.passes._sketches import ROW_BITS, Codes, Sketches, mapped

BANDED = np.dtype([("key", "<u8"), ("shard", "<u4"), ("row", "<u4")])
ROW = (1 << ROW_BITS) - 1
PARTITION_ENTRIES = 600_000  # of band keys that are in memory at once
ROWS_AT_ONCE = 60_000  # whose signatures are
MOST_CENTRES = 4_096  # rows of one bucket that others are compared with
FIRST_PAIRS = 1 << 16
DEVIATIONS = 4.0  # standard deviations of the estimate that a pair may lie below the threshold and still be verified


@dataclass(frozen=True)
class Bands:
    """How signatures are cut: `bands` bands of `width` places each."""

    bands: int
    width: int

    def chance(self, similarity: float) -> float:
        """The probability that a pair of this Jaccard similarity is proposed: 1 - (1 - s^width)^bands."""
        return 1.0 - (1.0 - similarity**self.width) ** self.bands


def bands_for(threshold: float, permutations: int, recall: float) -> Bands:
    """The widest bands, which propose the fewest false pairs, that still find this share of the pairs at the threshold.

    >>> bands_for(0.8, 128, 0.999)
    Bands(bands=25, width=5)
    """
    for width in range(permutations, 0, -1):
        bands = Bands(permutations // width, width)
        if bands.chance(threshold) >= recall:
            return bands
    return Bands(permutations, 1)


@dataclass(frozen=True)
class Keys:
    """Writes the band keys of the rows of a shard that stand for themselves, sorted; gives how many there are."""

    sketches: Sketches
    bands: Bands
    leaders: Leaders
    folder: Path

    def __call__(self, shard: int) -> int:
        from tunesmith.data.kernels.pairs import band_keys

        rows = self.leaders.standing(shard)
        keys = np.empty(len(rows) * self.bands.bands, np.uint64)
        band_keys(self.sketches.signatures(shard), rows, self.bands.bands, self.bands.width, keys)
        entries = np.empty(len(keys), BANDED)
        order = np.argsort(keys, kind="stable")
        entries["key"], entries["shard"] = keys[order], shard
        entries["row"] = np.repeat(rows, self.bands.bands)[order]
        np.save(self.folder / f"{shard:05d}.npy", entries)
        return len(entries)


@dataclass(frozen=True)
class Buckets:
    """Rows that are equal in a band: `codes[bounds[i]:bounds[i + 1]]` are those of one, best first."""

    codes: Codes
    bounds: NDArray[np.int64]

    def pieces(self) -> Iterator[Buckets]:
        """Some of the buckets at a time, of no more than ROWS_AT_ONCE rows unless one alone has more."""
        first = 0
        while first < len(self.bounds) - 1:
            last = int(np.searchsorted(self.bounds, self.bounds[first] + ROWS_AT_ONCE, "right")) - 1
            last = max(last, first + 1)
            start, end = self.bounds[first], self.bounds[last]
            yield Buckets(self.codes[start:end], self.bounds[first : last + 1] - start)
            first = last

    def only(self, wanted: NDArray[np.bool_]) -> Buckets:
        """The buckets without the rows that are not wanted, and without those that then hold one row or none."""
        held = np.add.reduceat(wanted, self.bounds[:-1]) if len(self.bounds) > 1 else np.zeros(0, np.int64)
        stays = wanted & np.repeat(held > 1, np.diff(self.bounds))
        sizes = held[held > 1]
        return Buckets(self.codes[stays], np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    @property
    def large(self) -> Buckets:
        """The buckets whose rows were compared with centres only."""
        from tunesmith.data.kernels.pairs import ALL_PAIRS

        return self.only(np.repeat(np.diff(self.bounds) > ALL_PAIRS, np.diff(self.bounds)))


@dataclass(frozen=True)
class Proposed:
    """What a partition came to."""

    compared: int = 0
    proposed: int = 0
    left_out: int = 0  # rows that a bucket had no room to compare

    def __add__(self, other: Proposed) -> Proposed:
        return Proposed(self.compared + other.compared, self.proposed + other.proposed, self.left_out + other.left_out)


@dataclass(frozen=True)
class Proposals:
    """Writes the pairs of one partition, and its large buckets for later rounds; gives what it came to."""

    sketches: Sketches
    ranks: Ranks
    threshold: float
    keys: Path
    folder: Path
    large: Path

    def __call__(self, numbered: tuple[int, tuple[int, int]]) -> Proposed:
        number, part = numbered
        buckets = self._buckets(part)
        np.savez(self.large / f"{number:05d}.npz", **vars(buckets.large))
        return self.compare(number, buckets, everyone=False)

    def _buckets(self, part: tuple[int, int]) -> Buckets:
        """Of the entries of this range of keys, those whose key another one has."""
        files = [mapped(path, BANDED) for path in sorted(self.keys.glob("*.npy"))]
        found = np.concatenate([np.zeros(0, BANDED), *(one[within(one["key"], part)] for one in files)])
        found = found[np.argsort(found["key"], kind="stable")]
        keys = found["key"]
        new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        bounds = np.append(np.flatnonzero(new), len(keys))
        codes = (found["shard"].astype(np.int64) << 32) | found["row"]
        sizes = np.diff(bounds)
        buckets = Buckets(codes, bounds).only(np.repeat(sizes > 1, sizes))
        numbers = np.repeat(np.arange(len(buckets.bounds) - 1), np.diff(buckets.bounds))
        order = np.lexsort((self.ranks(buckets.codes), numbers))
        return Buckets(buckets.codes[order], buckets.bounds)

    def compare(self, number: int, buckets: Buckets, *, everyone: bool) -> Proposed:
        """Compare the rows of each bucket by their signatures, and write the pairs that are alike enough."""
        total = Proposed()
        parts = [np.zeros((0, 2), np.int64)]
        for piece in buckets.pieces():
            pairs, came = self._compared(piece, everyone=everyone)
            total += came
            parts.append(pairs)
        pairs = unique_pairs(np.concatenate(parts))
        np.save(self.folder / f"{number:05d}.npy", pairs)
        return total + Proposed(proposed=len(pairs))

    def _compared(self, buckets: Buckets, *, everyone: bool) -> tuple[NDArray[np.int64], Proposed]:
        from tunesmith.data.kernels.pairs import propose

        codes, members = np.unique(buckets.codes, return_inverse=True)
        signatures = self.sketches.signatures_of(codes)
        sides = self._sides(codes)
        places, threshold = signatures.shape[1], self.threshold
        deviation = math.sqrt(threshold * (1 - threshold) / places)
        at_least = math.ceil(places * (threshold - DEVIATIONS * deviation))
        firm = min(places, math.ceil(places * (threshold + 2 * deviation)))
        room = FIRST_PAIRS
        while True:
            pairs, counts = np.empty((room, 2), np.int64), np.zeros(4, np.int64)
            propose(
                signatures, sides, members, buckets.bounds, at_least, firm, everyone, MOST_CENTRES, pairs, counts
            )  # fmt: skip
            if not counts[3]:
                return codes[pairs[: counts[0]]], Proposed(compared=int(counts[1]), left_out=int(counts[2]))
            room *= 4

    def _sides(self, codes: Codes) -> NDArray[np.uint8]:
        """1 for rows of the list itself where it is compared with another one, 0 for all others."""
        is_own = (codes >> 32) < self.sketches.shards[0]
        sides: NDArray[np.uint8] = (is_own & (len(self.sketches.shards) > 1)).astype(np.uint8)
        return sides


def unique_pairs(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each pair once, the lower code first, sorted."""
    if not len(pairs):
        return pairs
    bits = int((pairs & ROW).max()).bit_length()  # shard and row without the bits that are 0 in all: two fit into 64
    short = (pairs >> ROW_BITS << bits) | (pairs & ROW)
    width = max(1, int(short.max()).bit_length())
    if 2 * width > 64:
        return np.unique(np.sort(pairs, axis=1), axis=0)
    short = short.astype(np.uint64)
    packed = np.sort(short.min(axis=1) << np.uint64(width) | short.max(axis=1))  # many times faster than by two keys
    packed = packed[np.append(True, packed[1:] != packed[:-1])]
    ends = np.stack([packed >> np.uint64(width), packed & np.uint64((1 << width) - 1)], axis=1).astype(np.int64)
    unique: NDArray[np.int64] = (ends >> bits << ROW_BITS) | (ends & ((1 << bits) - 1))
    return unique


def parts_of(entries: int) -> list[tuple[int, int]]:
    """Ranges of keys that share so many entries about equally."""
    count = max(1, -(-entries // PARTITION_ENTRIES))
    edges = [(number << 64) // count for number in range(count + 1)]
    return list(itertools.pairwise(edges))
