"""An n-gram model with modified Kneser-Ney smoothing (Chen & Goodman 1998, section 4.1.6): trained, looked up.

A text is a row of small numbers, its symbols. Symbol 0 stands before and behind whatever is modelled on its own: no
n-gram reaches across it. Probabilities interpolate all orders, down to an even share for every symbol, and are kept as
in an ARPA file: of each n-gram its probability, and what is left for symbols that were not seen behind it. An n-gram
is known by a hash of 64 bits; among a million of them two alike are expected once in 30 million models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numba import njit
from numpy.typing import NDArray

Symbols = NDArray[np.uint16]
Places = NDArray[np.int64]  # where in the symbols n-grams end
Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
FEW = np.array([0.0, 0.5, 1.0, 1.5])  # discounts where counts are too few to estimate them; KenLM's --discount_fallback


@dataclass(frozen=True)
class Model:
    """N-grams of all orders by their hash, in ascending order, with log-probability and log of the weight left over."""

    order: int
    lowest: float  # log-probability of a symbol that was never seen, where nothing before it is known
    keys: Keys
    values: NDArray[np.float32]  # two an n-gram

    def table(self) -> Keys:
        """The n-grams as an open-addressed table for `log_probabilities`, at most two thirds full."""
        size = 16
        while 2 * size < 3 * len(self.keys):
            size *= 2
        slots = np.zeros((size, 2), np.uint64)
        _fill(slots, self.keys, np.ascontiguousarray(self.values).view(np.uint64)[:, 0])
        return slots


def train(symbols: Symbols, order: int, kinds: int, limit: int) -> Model:
    """A model of these symbols, of which there are so many kinds, with about `limit` n-grams at most.

    If there were more, the rarest of order 2 and above are left out, and what they weighed goes to the lower orders, so
    that probabilities still add up to one.
    """
    levels = _counted(symbols, order)
    parents = [np.zeros(len(levels[0][0]), np.int64)] + [
        _found(symbols, levels[n - 1][0], n, levels[n][0] - 1) for n in range(1, order)
    ]
    kept = next(kept for least in count(1) if sum(map(np.sum, kept := _kept(levels, parents, least))) <= limit)
    keys: list[Keys] = []
    shares: list[Floats] = []
    lefts: list[Floats] = []
    below = np.full(1, 1 / kinds)
    for n, (places, counts) in enumerate(levels):
        totals = np.bincount(parents[n], counts, len(below))
        own = (counts - _discounts(counts)[np.minimum(counts, 3)]) / totals[parents[n]] * kept[n]
        left = 1 - np.bincount(parents[n], own, len(below)).astype(np.float64)
        shorter = below[_found(symbols, levels[n - 1][0], n, places)] if n else below[0]
        below = np.asarray(own + left[parents[n]] * shorter, np.float64)
        keys.append(_keys(symbols, places, n + 1))
        shares.append(below)
        lefts.append(left)
    return _as_model(keys, shares, lefts, kept, kinds)


def _as_model(
    keys: list[Keys], shares: list[Floats], lefts: list[Floats], kept: list[NDArray[np.bool_]], kinds: int
) -> Model:
    """What is left behind an n-gram was computed with the next order; behind the longest nothing is looked up."""
    weights = [*lefts[1:], np.ones(len(shares[-1]))]
    chosen = np.concatenate([key[keep] for key, keep in zip(keys, kept, strict=True)])
    share = np.concatenate([part[keep] for part, keep in zip(shares, kept, strict=True)])
    weight = np.concatenate([part[keep] for part, keep in zip(weights, kept, strict=True)])
    values = np.log(np.stack([share, np.maximum(weight, np.finfo(np.float32).tiny)], 1)).astype(np.float32)
    by_key = np.argsort(chosen)
    return Model(len(keys), float(np.log(lefts[0][0] / kinds)), chosen[by_key], values[by_key])


def _counted(symbols: Symbols, order: int) -> list[tuple[Places, Places]]:
    """For each order where its n-grams end first, and their counts: below the highest, of the symbols before them.

    Nothing stands before an n-gram that begins with 0, so those are counted as often as they occur.
    """
    edges = np.flatnonzero(symbols == 0)
    begins = edges[np.searchsorted(edges, np.arange(len(symbols))) - 1]
    lengths = np.arange(len(symbols)) - begins + 1  # of the longest n-gram that ends here
    lengths[:1] = 0
    levels: list[tuple[Places, Places]] = []
    places = np.flatnonzero(lengths >= order)
    for n in range(order, 0, -1):
        levels.insert(0, _distinct(symbols, places, n))
        places = np.concatenate([levels[0][0], np.flatnonzero(lengths == n - 1)])
    return levels


def _kept(levels: list[tuple[Places, Places]], parents: list[Places], least: int) -> list[NDArray[np.bool_]]:
    """Which n-grams to keep: counted so often, of order 1, or the beginning of one that is kept."""
    kept = [counts >= (least if n else 1) for n, (_, counts) in enumerate(levels)]
    for n in range(len(kept) - 1, 0, -1):
        kept[n - 1][parents[n][kept[n]]] = True
    return kept


def _discounts(counts: Places) -> Floats:
    """What is taken off a count of 0, 1, 2 and 3 or more: Chen & Goodman, equation 26."""
    of = [int(np.sum(counts == times)) for times in range(1, 5)]
    if not all(of):
        return FEW
    part = of[0] / (of[0] + 2 * of[1])
    taken = np.array([0.0] + [times - (times + 1) * part * of[times] / of[times - 1] for times in (1, 2, 3)])
    return taken if np.all(taken[1:] > 0) else FEW


@njit(cache=True, nogil=True)
def log_probabilities(
    symbols: Symbols, bounds: Places, slots: Keys, order: int, lowest: float, extra: Floats
) -> Floats:
    """The log-probability of each text's symbols behind its first; `extra` is added for each symbol of that kind."""
    values = slots.view(np.float32)
    result = np.zeros(len(bounds) - 1)
    now, before = np.zeros(order + 1, np.uint64), np.zeros(order + 1, np.uint64)
    for row in range(len(result)):
        known = 0  # symbols before this one that it may depend on
        for place in range(bounds[row], bounds[row + 1]):
            longest = min(order, known + 1)
            for n in range(1, longest + 1):
                now[n] = _step(now[n - 1], symbols[place - n + 1])
            if place > bounds[row]:
                result[row] += _log_probability(slots, values, now, before, longest, lowest) + extra[symbols[place]]
            now, before = before, now
            known = 1 if symbols[place] == 0 else min(known + 1, order - 1)
    return result


@njit(cache=True, nogil=True)
def _log_probability(
    slots: Keys, values: NDArray[np.float32], now: Keys, before: Keys, longest: int, lowest: float
) -> float:
    """That of the longest n-gram that is known, after the weights left over by the longer contexts."""
    total = 0.0
    for n in range(longest, 0, -1):
        slot = _slot(slots, now[n])
        if slots[slot, 0]:
            return total + float(values[slot, 2])
        if n > 1:
            context = _slot(slots, before[n - 1])
            if slots[context, 0]:
                total += values[context, 3]
    return total + lowest


@njit(cache=True, nogil=True)
def words_weighed(symbols: Symbols) -> Symbols:
    """Each distinct word (what stands between two 0) once, and once more for each time that its count doubles."""
    edges = np.flatnonzero(symbols == 0)
    starts, ends = edges[:-1] + 1, edges[1:]
    slots = _slots(len(starts))
    keys = np.empty(len(slots), np.uint64)
    counts = np.zeros(len(starts), np.int64)
    for word in range(len(starts)):
        key = _key(symbols, ends[word] - 1, ends[word] - starts[word])
        slot = _free(slots, keys, key)
        if slots[slot] < 0:
            slots[slot], keys[slot] = word, key
        counts[slots[slot]] += 1
    size = 1
    for first in np.flatnonzero(counts):
        size += _weight(counts[first]) * int(ends[first] - starts[first] + 1)
    made = np.zeros(size, np.uint16)
    at = 1
    for first in np.flatnonzero(counts):
        for _ in range(_weight(counts[first])):
            made[at : at + ends[first] - starts[first]] = symbols[starts[first] : ends[first]]
            at += int(ends[first] - starts[first]) + 1
    return made


@njit(cache=True, nogil=True)
def _weight(count: int) -> int:
    return int(np.log2(count)) + 1


@njit(cache=True, nogil=True)
def _step(key: np.uint64, symbol: int) -> np.uint64:
    """The hash of an n-gram with one more symbol in front of it."""
    key = (key ^ np.uint64(symbol + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return key ^ (key >> np.uint64(29))


@njit(cache=True, nogil=True)
def _key(symbols: Symbols, place: int, n: int) -> np.uint64:
    key = np.uint64(0)
    for back in range(n):
        key = _step(key, symbols[place - back])
    return key


@njit(cache=True, nogil=True)
def _keys(symbols: Symbols, places: Places, n: int) -> Keys:
    keys = np.empty(len(places), np.uint64)
    for i in range(len(places)):
        keys[i] = _key(symbols, places[i], n)
    return keys


@njit(cache=True, nogil=True)
def _slots(items: int) -> NDArray[np.int32]:
    size = 16
    while size < 2 * items:
        size *= 2
    return np.full(size, -1, np.int32)


@njit(cache=True, nogil=True)
def _free(slots: NDArray[np.int32], keys: Keys, key: np.uint64) -> int:
    """The slot that has this key, or where it belongs."""
    mask = np.uint64(len(slots) - 1)
    slot = key & mask
    while slots[slot] >= 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def _distinct(symbols: Symbols, places: Places, n: int) -> tuple[Places, Places]:
    """The first of the places that end like n-grams, and how many places there are for each."""
    slots = _slots(len(places))
    keys = np.empty(len(slots), np.uint64)
    firsts, counts = np.empty(len(places), np.int64), np.zeros(len(places), np.int64)
    found = 0
    for place in places:
        key = _key(symbols, place, n)
        slot = _free(slots, keys, key)
        if slots[slot] < 0:
            slots[slot], keys[slot] = found, key
            firsts[found] = place
            found += 1
        counts[slots[slot]] += 1
    return firsts[:found].copy(), counts[:found].copy()


@njit(cache=True, nogil=True)
def _found(symbols: Symbols, places: Places, n: int, wanted: Places) -> Places:
    """For each n-gram that ends at a wanted place, which of the places has the same one; all have one."""
    slots = _slots(len(places))
    keys = np.empty(len(slots), np.uint64)
    for i in range(len(places)):
        key = _key(symbols, places[i], n)
        slot = _free(slots, keys, key)
        slots[slot], keys[slot] = i, key
    found = np.empty(len(wanted), np.int64)
    for i in range(len(wanted)):
        found[i] = slots[_free(slots, keys, _key(symbols, wanted[i], n))]
    return found


@njit(cache=True, nogil=True)
def _slot(slots: Keys, key: np.uint64) -> int:
    """The slot of a table that has this key, or an empty one."""
    mask = np.uint64(len(slots) - 1)
    slot = key & mask
    while slots[slot, 0] != 0 and slots[slot, 0] != key:
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def _fill(slots: Keys, keys: Keys, values: Keys) -> None:
    for i in range(len(keys)):
        slot = _slot(slots, keys[i])
        slots[slot, 0], slots[slot, 1] = keys[i], values[i]


@njit(cache=True, nogil=True)
def symbols_of(data: NDArray[np.uint8], offsets: Places, table: Symbols) -> tuple[Symbols, Places]:
    """The symbols of each text, between a 0 and a 0, and where each text begins, with the end of the last one.

    The table has the symbol of each code point. Of a run of white space the first is taken, at the edges none.
    """
    made = np.zeros(offsets[-1] - offsets[0] + 2 * len(offsets), np.uint16)
    bounds = np.zeros(len(offsets), np.int64)
    blank, at = table[32], 0
    for row in range(len(offsets) - 1):
        at += 1  # the 0 before the text
        place = offsets[row]
        while place < offsets[row + 1]:
            code, place = code_point(data, place)
            symbol = table[code]
            if symbol != blank or (made[at - 1] != blank and made[at - 1] != 0):
                made[at] = symbol
                at += 1
        at -= made[at - 1] == blank and at - 1 > bounds[row]
        made[at] = 0
        at += 1
        bounds[row + 1] = at
    return made[:at], bounds


@njit(cache=True, nogil=True)
def code_point(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The code point whose UTF-8 begins here, and where the next one begins."""
    first = int(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (data[at + 1] & 0x3F), at + 2
    if first < 0xF0:
        return ((first & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F), at + 3
    high = ((first & 0x07) << 18) | ((data[at + 1] & 0x3F) << 12)
    return high | ((data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F), at + 4


@njit(cache=True, nogil=True)
def hashes(data: NDArray[np.uint8], offsets: Places) -> Keys:
    """A hash of each text's bytes."""
    made = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(made)):
        key = np.uint64(0)
        for place in range(offsets[row], offsets[row + 1]):
            key = _step(key, data[place])
        made[row] = _step(key, 0)
    return made
