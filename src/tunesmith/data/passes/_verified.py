"""The true Jaccard similarity of the pairs that near_dedup was proposed, from their whole sets of n-grams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow
from tunesmith.data.kernels.words import Bytes, Hashes, Offsets
from tunesmith.data.passes._sketches import Codes, Shingles, Sketches, by_shard
from tunesmith.data.stream import Stream

GRAMS_AT_ONCE = 6_000_000  # n-grams whose pairs are verified together
VERIFIED = np.dtype([("first", "<i8"), ("second", "<i8"), ("similarity", "<f8")])


@dataclass(frozen=True)
class Sets:
    """The n-grams of the rows that stand in some pair, written shard by shard."""

    folder: Path

    def write(self, shard: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Write those of one shard: its rows, their n-grams, the beginnings of their texts, and where these begin."""
        for name, values in arrays.items():
            np.save(self.folder / f"{name}-{shard:05d}.npy", values)

    def of(self, codes: Codes) -> tuple[Hashes, Offsets]:
        """The n-grams of these rows, whose codes are sorted, one set after the other, and where each begins."""
        return self._pieces(codes, "grams", "bounds")

    def heads(self, codes: Codes) -> tuple[Bytes, Offsets]:
        """The first bytes of the texts of these rows, whose codes are sorted, and where each begins."""
        return self._pieces(codes, "heads", "cuts")

    def _pieces(self, codes: Codes, what: str, ends: str) -> tuple[NDArray[Any], Offsets]:
        parts: list[NDArray[Any]] = []
        sizes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        for shard, wanted in by_shard(codes):
            rows, bounds = self._load("rows", shard), self._load(ends, shard)
            places = np.searchsorted(rows, wanted)
            starts, held = bounds[places], bounds[places + 1] - bounds[places]
            flat = np.repeat(starts - np.cumsum(held) + held, held) + np.arange(int(held.sum()))
            parts.append(self._load(what, shard)[flat])
            sizes.append(held)
        empty = np.zeros(0, np.uint64 if what == "grams" else np.uint8)
        return np.concatenate(parts or [empty]), np.append(0, np.cumsum(np.concatenate(sizes)))

    def hold(self, codes: Codes) -> NDArray[np.bool_]:
        """Which of these rows, whose codes are sorted, have their set here."""
        held = [np.zeros(0, bool)]
        for shard, wanted in by_shard(codes):
            there = (self.folder / f"rows-{shard:05d}.npy").exists()
            rows = np.asarray(self._load("rows", shard)) if there else np.zeros(0, np.int64)
            places = np.minimum(np.searchsorted(rows, wanted), max(len(rows) - 1, 0))
            held.append(rows[places] == wanted if len(rows) else np.zeros(len(wanted), bool))
        return np.concatenate(held)

    def _load(self, name: str, shard: int) -> NDArray[Any]:
        found: NDArray[Any] = np.load(self.folder / f"{name}-{shard:05d}.npy", mmap_mode="r")
        return found


@dataclass(frozen=True)
class _Collect:
    """Writes the sets of the rows of a shard that are wanted."""

    sketches: Sketches
    shingles: Shingles
    sets: Sets

    def __call__(self, wanted: tuple[int, NDArray[np.int64]]) -> None:
        from tunesmith.data.kernels.minhash import ngram_sets
        from tunesmith.data.kernels.pairs import PASSAGE
        from tunesmith.data.kernels.words import table

        shard, rows = wanted
        of, _, number = self.sketches.place(shard)
        signs, by_characters = table(self.shingles.folds), self.shingles.unit == "characters"
        grams, sizes, heads, lengths = [np.zeros(0, np.uint64)], [np.zeros(0, int)], [b""], [np.zeros(0, int)]
        start = 0
        for texts in self.shingles.texts(of, number):
            first, last = np.searchsorted(rows, [start, start + len(texts)])
            some = texts.take(arrow(rows[first:last] - start))
            found, bounds = ngram_sets(some, signs, by_characters=by_characters, n=self.shingles.n)
            begun = pc.binary_slice(some.cast(pa.binary()), 0, PASSAGE)
            grams.append(found)
            sizes.append(np.diff(bounds))
            heads += begun.to_pylist()
            lengths.append(pc.binary_length(begun).to_numpy())
            start += len(texts)
        bounds, cuts = (np.append(0, np.cumsum(np.concatenate(each))) for each in (sizes, lengths))
        made = {"rows": rows, "grams": np.concatenate(grams), "bounds": bounds}
        self.sets.write(shard, made | {"heads": np.frombuffer(b"".join(heads), np.uint8), "cuts": cuts})


def collect(stream: Stream, sketches: Sketches, shingles: Shingles, codes: Codes, name: str) -> Sets:
    """The sets of these rows, whose codes are sorted and each once."""
    folder = stream.scratch / name
    folder.mkdir()
    sets = Sets(folder)
    list(stream.executor.map(_Collect(sketches, shingles, sets), list(by_shard(codes)), lane="threads"))
    return sets


@dataclass(frozen=True)
class Verify:
    """The similarity of each of some pairs, which are sorted."""

    sketches: Sketches
    sets: Sets

    def __call__(self, pairs: NDArray[np.int64]) -> NDArray[np.void]:
        made = np.zeros(len(pairs), VERIFIED)
        made["first"], made["second"] = pairs[:, 0], pairs[:, 1]
        codes = np.unique(pairs)
        sizes = self.sketches.facts_of(codes)["size"].astype(np.int64)
        piece = np.cumsum(sizes[np.searchsorted(codes, pairs[:, 1])]) // GRAMS_AT_ONCE
        edges = [0, *(np.flatnonzero(piece[1:] != piece[:-1]) + 1).tolist(), len(pairs)]
        for start, end in pairwise(edges):
            made["similarity"][start:end] = self._jaccard(pairs[start:end])
        return made

    def _jaccard(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        from tunesmith.data.kernels.pairs import shared

        codes = np.unique(pairs)
        grams, bounds = self.sets.of(codes)
        local = np.searchsorted(codes, pairs)
        common = np.zeros(len(pairs), np.int64)
        shared(grams, bounds, local, common)
        sizes = np.diff(bounds)[local].sum(axis=1)
        similarity: NDArray[np.float64] = common / np.maximum(sizes - common, 1)
        return similarity


def verify(
    stream: Stream, sketches: Sketches, shingles: Shingles, pairs: NDArray[np.int64], name: str, also: Codes
) -> tuple[NDArray[np.void], Sets]:
    """The pairs, which are sorted and each once, with their similarities; and the sets of their rows and of others."""
    sets = collect(stream, sketches, shingles, np.unique(np.append(pairs, also)), name)
    edges = np.linspace(0, len(pairs), 4 * stream.executor.workers + 1).astype(int) if len(pairs) else np.zeros(2, int)
    pieces = [pairs[start:end] for start, end in pairwise(edges)]
    done = list(stream.executor.map(Verify(sketches, sets), pieces, lane="threads"))
    return np.concatenate([np.zeros(0, VERIFIED), *done]), sets
