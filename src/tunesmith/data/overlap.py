"""How much of the items of a benchmark texts hold: an index of the items' n-grams, through which any texts stream.

An item of n words and more is covered by those of its n-grams that stand in a text; its overlap is the share of its
words that they cover (Tülu 3, arXiv 2411.15124, counts like that), out of the words that tell anything: an n-gram that
stands in many items is boilerplate and left out on both sides. A shorter item has to stand in the text as a whole, and
its overlap is its share of the words of the lines that it stands in; one of fewer than `shortest` words counts only
where it is all of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.benchmarks import COMMON, N_OF_CONVERSATIONS, SHORTEST
from tunesmith.data.item_index import Index, build_index, changes, coverage, distinct
from tunesmith.data.kernels import overlap as kernel
from tunesmith.data.kernels.words import Bytes, word_bounds
from tunesmith.data.views import NEWLINE, bytes_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Matches(NamedTuple):
    """Which texts hold something of which items, sorted as `joined` does: what share of it, and where."""

    rows: Ints
    items: Ints
    overlaps: Floats
    matched: Ints  # n-grams of the item, or 1 for a short one
    begins: Ints  # the longest passage of the text that is the item's: its first word,
    ends: Ints  # and the word after its last

    def take(self, places: Ints) -> Matches:
        """Those at these places."""
        return Matches._make(column[places] for column in self)

    @property
    def best(self) -> Ints:
        """The place of the largest overlap of each text that holds anything."""
        return np.flatnonzero(changes(self.rows))


def matches(index: Index, texts: pa.StringArray) -> Matches:
    """What of the items stands in these texts; a null text holds nothing."""
    data, offsets = bytes_of(texts)
    if len(offsets) < 2:
        return joined([])
    hits, sizes = kernel.scan(
        data, offsets, kernel.signs(), index.n, index.shortest, index.grams, index.anchors, index.short
    )
    is_short = hits[:, 2] < 0
    return joined([_of_ngrams(index, hits[~is_short]), _of_short(index, hits[is_short], sizes, data, offsets)])


def joined(found: Sequence[Matches]) -> Matches:
    """All these matches together, sorted by text, the largest overlap of each first; of equal ones the first item."""
    none = [np.zeros(0, np.float64 if name == "overlaps" else np.int64) for name in Matches._fields]
    whole = Matches._make(np.concatenate(columns) for columns in zip(none, *found, strict=True))
    return whole.take(np.lexsort((whole.items, -whole.overlaps, whole.rows)))


def _of_ngrams(index: Index, hits: Ints) -> Matches:
    """The items that n-grams in the texts belong to."""
    counts = (index.gram_starts[hits[:, 2] + 1] - index.gram_starts[hits[:, 2]]).astype(np.int64)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    posting = np.repeat(index.gram_starts[hits[:, 2]], counts) + within
    rows, places = np.repeat(hits[:, 0], counts), np.repeat(hits[:, 1], counts)
    width = len(index.sizes)
    groups = rows * width + index.gram_items[posting]
    of_groups, covered, matched = coverage(*distinct(groups, index.gram_places[posting]), index.n)
    begins, ends = _longest_runs(*distinct(groups, places), index.n)
    rows, items = np.divmod(of_groups, width)
    return Matches(rows, items, covered / index.telling[items], matched, begins, ends)


def _longest_runs(groups: Ints, places: Ints, n: int) -> tuple[Ints, Ints]:
    """The longest passage of each group, of n-grams that overlap or touch: its first word, and that after its last."""
    starts = np.flatnonzero(changes(groups) | (np.diff(places, prepend=0) > n))
    lasts = np.append(starts, len(groups))[1:] - 1
    begins, ends = places[starts], places[lasts] + n
    order = np.lexsort((begins, begins - ends, groups[starts]))
    _, first = np.unique(groups[starts][order], return_index=True)
    return begins[order][first], ends[order][first]


def _of_short(index: Index, hits: Ints, sizes: Ints, data: Bytes, offsets: Ints) -> Matches:
    """The short items that stand in the texts: each where it takes most of the lines that it stands in."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    row, first_words = -1, offsets
    for at, place, code in hits.tolist():
        if at != row:
            row, first_words = at, _first_words(data, offsets, at)
        size = int(index.sizes[~code])
        line, last = np.searchsorted(first_words, [place, place + size - 1], side="right").tolist()
        end = first_words[last] if last < len(first_words) else sizes[at]
        share = size / int(end - first_words[line - 1])
        if share > best.get((at, ~code), (0.0, 0))[0]:
            best[at, ~code] = share, place
    keys, found = np.array(list(best), np.int64).reshape(-1, 2), list(best.values())
    begins = np.array([place for _, place in found], np.int64)
    overlaps = np.array([share for share, _ in found], np.float64)
    lengths = index.sizes[keys[:, 1]]
    return Matches(keys[:, 0], keys[:, 1], overlaps, np.ones(len(keys), np.int64), begins, begins + lengths)


def _bounds(data: Bytes, offsets: Ints, row: int) -> tuple[Ints, Ints]:
    """Where the words of a text begin and end, in bytes."""
    begin, end = int(offsets[row]), int(offsets[row + 1])
    starts, ends = (np.empty((end - begin) // 2 + 2, np.int64) for _ in range(2))
    count = word_bounds(data, begin, end, kernel.signs(), starts, ends)
    return starts[:count], ends[:count]


def _first_words(data: Bytes, offsets: Ints, row: int) -> Ints:
    """The number of the first word of each line of a text that has words."""
    begin, end = int(offsets[row]), int(offsets[row + 1])
    breaks = np.flatnonzero(data[begin:end] == NEWLINE) + begin
    starts, _ = _bounds(data, offsets, row)
    found = np.unique(np.append(0, np.searchsorted(starts, breaks)))
    return found[found < len(starts)]


def passages(texts: pa.StringArray, found: Matches) -> list[str]:
    """The passage of each match as it stands in its text."""
    data, offsets = bytes_of(texts)
    shown, row, starts, ends = [], -1, offsets, offsets
    for at, first, last in zip(found.rows.tolist(), found.begins.tolist(), found.ends.tolist(), strict=True):
        if at != row:
            row, (starts, ends) = at, _bounds(data, offsets, at)
        shown.append(data[starts[first] : ends[last - 1]].tobytes().decode("utf-8", "replace"))
    return shown


@dataclass(frozen=True)
class Overlap:
    """The largest overlap of an item with a row trained on, and that row's id; None where nothing of it is found."""

    item: str
    overlap: float
    row: str | None


def overlaps_of_items(
    items: Sequence[tuple[str, str]],
    parts: Iterable[tuple[Sequence[str], pa.StringArray]],
    *,
    n: int = N_OF_CONVERSATIONS,
    shortest: int = SHORTEST,
    common: int = COMMON,
) -> list[Overlap]:
    """For each item (id and text), its largest overlap with rows that come in parts (their ids and texts).

    The first row counts where several have the largest overlap.
    """
    index = build_index(pa.array([text for _, text in items], pa.string()), n=n, shortest=shortest, common=common)
    best, found_in = np.zeros(len(items)), [None] * len(items)
    for ids, texts in parts:
        found = matches(index, texts)
        for row, item, overlap in zip(found.rows.tolist(), found.items.tolist(), found.overlaps.tolist(), strict=True):
            if overlap > best[item]:
                best[item], found_in[item] = overlap, ids[row]
    return [Overlap(name, overlap, row) for (name, _), overlap, row in zip(items, best.tolist(), found_in, strict=True)]
