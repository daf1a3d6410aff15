"""The index of the items of a benchmark: their n-grams, and the items shorter than those; kept in files.

An n-gram that stands in many items is boilerplate, such as the frame that all tests of a benchmark have, and left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.arrays import load_array
from tunesmith.data.benchmarks import COMMON, SHORTEST
from tunesmith.data.kernels import overlap as kernel
from tunesmith.data.kernels.overlap import Lookup, Short, lookup_of
from tunesmith.data.kernels.words import Hashes, most_words
from tunesmith.data.views import bytes_of

Ints = NDArray[np.int64]

MOST_NGRAMS = 20_000_000  # of a benchmark: about 1 GB of index


@dataclass(frozen=True)
class Index:
    """What texts are looked up in: the telling n-grams of the items, and the short items by their first words."""

    n: int
    shortest: int
    grams: Lookup
    gram_starts: Ints  # where the postings of each n-gram begin
    gram_items: Ints
    gram_places: Ints
    anchors: Lookup
    short: Short
    sizes: Ints  # words of each item
    telling: Ints  # of those, the words that n-grams which tell something cover, or all words of a short item

    def save(self, folder: Path) -> None:
        """Write the index, an array a file, so that tasks map it into memory."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in vars(self).items():
            for part, array in enumerate(value if isinstance(value, tuple) else [np.asarray(value)]):
                np.save(folder / f"{name}-{part}.npy", array)


def load_index(folder: Path) -> Index:
    """The index that was saved here."""

    def of(name: str, parts: int = 1) -> list[Ints]:
        # copy on write, not read only: compiled code is then the same as for an index that was just built
        return [np.asarray(load_array(folder / f"{name}-{part}.npy", mmap_mode="c")) for part in range(parts)]

    (n,), (shortest,), (starts,), (items,), (places,) = map(
        of, ("n", "shortest", "gram_starts", "gram_items", "gram_places")
    )
    grams, anchors, short = Lookup._make(of("grams", 3)), Lookup._make(of("anchors", 3)), Short._make(of("short", 4))
    (sizes,), (telling,) = map(of, ("sizes", "telling"))
    return Index(int(n), int(shortest), grams, starts, items, places, anchors, short, sizes, telling)


def build_index(items: pa.StringArray, *, n: int, shortest: int = SHORTEST, common: int = COMMON) -> Index:
    """The index of these items; equal ones count as one. Raises UserError if they have too many n-grams for it.

    An n-gram that stands in more than `common` different items tells nothing and is left out.
    """
    words, rows = _words(items)
    sizes = np.diff(rows)
    total = int(np.maximum(sizes - n + 1, 0).sum())
    if total > MOST_NGRAMS:
        told = f"the benchmark has {total:,} n-grams, more than the {MOST_NGRAMS:,} that an index holds in memory."
        raise UserError(told, "Give fewer files or fields, or several contamination steps.")
    hashes, owners, places = np.empty(total, np.uint64), np.empty(total, np.int64), np.empty(total, np.int64)
    kernel.ngrams_of(words, rows, n, hashes, owners, places)
    keys, starts, owners, places = _postings(hashes, owners, places, _firsts(words, rows), common)
    short, anchors = _short(words, rows, sizes, n)
    order = np.lexsort((places, owners))
    telling = np.where(sizes < n, sizes, 0)
    groups, covered, _ = coverage(owners[order], places[order], n)
    telling[groups] = covered
    return Index(n, shortest, lookup_of(keys), starts, owners, places, anchors, short, sizes, telling)


def _words(texts: pa.StringArray) -> tuple[Hashes, Ints]:
    data, offsets = bytes_of(texts)
    hashes, rows = np.empty(most_words(offsets), np.uint64), np.zeros(len(texts) + 1, np.int64)
    if len(texts):
        kernel.words_of(data, offsets, kernel.signs(), hashes, rows)
    return hashes[: rows[-1]], rows


def _firsts(words: Hashes, rows: Ints) -> Ints:
    """For each item the first one that has the same words."""
    seen: dict[bytes, int] = {}
    return np.array(
        [seen.setdefault(words[rows[i] : rows[i + 1]].tobytes(), i) for i in range(len(rows) - 1)], np.int64
    )


def _postings(hashes: Hashes, owners: Ints, places: Ints, firsts: Ints, common: int) -> tuple[Hashes, Ints, Ints, Ints]:
    """The distinct n-grams that are not common, and for each where it stands, sorted by item and place."""
    order = np.argsort(hashes, kind="stable")  # n-grams come in the order of items and places
    hashes, owners, places = hashes[order], owners[order], places[order]
    number = np.cumsum(changes(hashes)) - 1
    different = np.unique(number * len(firsts) + firsts[owners]) // max(1, len(firsts))
    kept = (np.bincount(different) <= common)[number]
    keys, starts = np.unique(hashes[kept], return_index=True)
    return keys, np.append(starts, kept.sum()).astype(np.int64), owners[kept], places[kept]


def _short(words: Hashes, rows: Ints, sizes: Ints, n: int) -> tuple[Short, Lookup]:
    items = np.flatnonzero((sizes > 0) & (sizes < n))
    leads = np.minimum(sizes[items], kernel.ANCHOR).tolist()
    anchors = np.array(
        [kernel.hash_of(words, rows[item], size) for item, size in zip(items, leads, strict=True)], np.uint64
    )
    order = np.argsort(anchors, kind="stable")
    keys, starts = np.unique(anchors[order], return_index=True)
    return Short(np.append(starts, len(items)).astype(np.int64), items[order], rows, words), lookup_of(keys)


def coverage(groups: Ints, places: Ints, n: int) -> tuple[Ints, Ints, Ints]:
    """Of n-grams sorted by group and place: the groups, the words that those of each cover, and their number."""
    if not len(groups):
        return groups, groups, groups
    starts = np.flatnonzero(changes(groups))
    reach = np.minimum(np.append(places[1:], 0) - places, n)
    reach[np.append(starts[1:], len(groups)) - 1] = n  # the last of each group
    return groups[starts], np.add.reduceat(reach, starts), np.diff(np.append(starts, len(groups)))


def distinct(groups: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Each pair once, sorted."""
    order = np.lexsort((places, groups))
    groups, places = groups[order], places[order]
    new = changes(groups) | changes(places)
    return groups[new], places[new]


def changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value is not the one before it; the first one never is."""
    new: NDArray[np.bool_] = np.append(True, values[1:] != values[:-1])[: len(values)]
    return new
