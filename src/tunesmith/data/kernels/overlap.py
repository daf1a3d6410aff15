"""Which n-grams and short items of an index stand in texts: a bitmap that fits a cache, then a hash table behind it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.words import BASE, Bytes, Hashes, Offsets, Table, hash_words, table

ANCHOR = 3  # words at the beginning of a short item that lead to it
BITS_A_SLOT = 8  # of the bitmap; two to four slots a hash, so that one n-gram in a hundred gets past it in vain
FIRST_HITS = 1024
UNDERSCORE = ord("_")

Hits = NDArray[np.int64]  # row, word, and the n-gram that begins there, or ~item


class Lookup(NamedTuple):
    """Distinct hashes and their numbers, by open addressing, with a bitmap in front; -1 is an empty slot."""

    bitmap: Hashes
    keys: Hashes
    numbers: Offsets


class Short(NamedTuple):
    """Items shorter than an n-gram: those that begin with each anchor, and the words of each."""

    starts: Offsets
    items: Offsets
    word_starts: Offsets
    words: Hashes


@cache
def signs() -> Table:
    """Letters and digits only, without regard to case and width; digits stay what they are."""
    usual = table(("case", "width"))
    ascii_signs, folded = usual.ascii.copy(), usual.folded.copy()
    ascii_signs[UNDERSCORE] = folded[UNDERSCORE] = 0
    return Table(ascii_signs, folded)


def lookup_of(keys: Hashes) -> Lookup:
    """A table that gives each of these distinct hashes its place among them."""
    slots = 1 << max(6, (2 * len(keys) - 1).bit_length())
    bitmap = np.zeros(slots * BITS_A_SLOT // 64, np.uint64)
    made = Lookup(bitmap, np.zeros(slots, np.uint64), np.full(slots, -1, np.int64))
    _fill(keys, made)
    return made


@njit(cache=True, nogil=True)
def _fill(keys: Hashes, made: Lookup) -> None:
    mask, shift = np.uint64(len(made.keys) - 1), _shift_of(made)
    for number in range(len(keys)):
        key = keys[number]
        made.bitmap[key >> shift] |= _marks(key)
        slot = (key ^ (key >> np.uint64(32))) & mask
        while made.numbers[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        made.keys[slot], made.numbers[slot] = key, number


@njit(cache=True, nogil=True)
def _shift_of(found: Lookup) -> np.uint64:
    """How far to shift a hash for its place in the bitmap, whose size is a power of two."""
    cells, bits = len(found.bitmap), 0
    while cells > 1:
        cells, bits = cells >> 1, bits + 1
    return np.uint64(64 - bits)


@njit(cache=True, nogil=True)
def _marks(key: np.uint64) -> np.uint64:
    """The two bits of a cell of the bitmap that a hash sets."""
    first, second = (key >> np.uint64(20)) & np.uint64(63), (key >> np.uint64(26)) & np.uint64(63)
    return (np.uint64(1) << first) | (np.uint64(1) << second)


@njit(cache=True, nogil=True)
def _number_of(key: np.uint64, found: Lookup) -> int:
    """The number of this hash; -1 if it has none."""
    mask = np.uint64(len(found.keys) - 1)
    slot = (key ^ (key >> np.uint64(32))) & mask
    while found.numbers[slot] >= 0:
        if found.keys[slot] == key:
            return found.numbers[slot]  # type: ignore[no-any-return]  # numba's integers have no types
        slot = (slot + np.uint64(1)) & mask
    return -1


@njit(cache=True, nogil=True)
def words_of(data: Bytes, offsets: Offsets, signs: Table, hashes: Hashes, rows: Offsets) -> None:
    """Write the hash of each word of each text, and where those of each text begin."""
    for row in range(len(offsets) - 1):
        rows[row + 1] = rows[row] + hash_words(data, offsets[row], offsets[row + 1], signs, hashes[rows[row] :])


@njit(cache=True, nogil=True)
def hash_of(words: Hashes, begin: int, n: int) -> np.uint64:
    """The hash of n words: a polynomial in BASE, which is enough since each word's hash is mixed."""
    value = np.uint64(0)
    for place in range(begin, begin + n):
        value = value * BASE + words[place]
    return value


@njit(cache=True, nogil=True)
def ngrams_of(words: Hashes, rows: Offsets, n: int, hashes: Hashes, owners: Offsets, places: Offsets) -> None:
    """Write the n-grams of those texts that have n words: hash, text and place."""
    count = 0
    for row in range(len(rows) - 1):
        for begin in range(rows[row], rows[row + 1] - n + 1):
            hashes[count], owners[count], places[count] = hash_of(words, begin, n), row, begin - rows[row]
            count += 1


@njit(cache=True, nogil=True)
def scan(
    data: Bytes, offsets: Offsets, signs: Table, n: int, shortest: int, grams: Lookup, anchors: Lookup, short: Short
) -> tuple[Hits, Offsets]:
    """Where n-grams and short items of an index stand in texts, and how many words each text has.

    An item of fewer than `shortest` words stands only where it is all of the text.
    """
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    words, places = np.empty(longest // 2 + 2, np.uint64), np.empty(longest // 2 + 2, np.int64)
    sizes = np.zeros(len(offsets) - 1, np.int64)
    hits, count = np.empty((FIRST_HITS, 3), np.int64), 0
    for row in range(len(sizes)):
        size = sizes[row] = hash_words(data, offsets[row], offsets[row + 1], signs, words)
        text = words[:size]
        if len(short.items):
            likely = _likely(text, min(ANCHOR, size), anchors, places)
            hits, count = _check_short(text, places[:likely], row, shortest, anchors, short, hits, count)
        likely = _likely(text, n, grams, places)
        hits, count = _check_ngrams(text, places[:likely], row, n, grams, hits, count)
    return hits[:count].copy(), sizes


@njit(cache=True, nogil=True)
def _likely(words: Hashes, n: int, found: Lookup, places: Offsets) -> int:
    """Write where n-grams begin that pass the bitmap; gives how many there are.

    It does nothing else, since a loop that may also grow an array takes eight times as long.
    """
    if n == 0 or len(words) < n:
        return 0
    shift, lead = _shift_of(found), np.uint64(1)
    for _ in range(n):
        lead = lead * BASE
    value, gone, count = hash_of(words, 0, n - 1), np.uint64(0), 0
    for place in range(len(words) - n + 1):
        value = value * BASE + words[place + n - 1] - gone * lead
        gone = words[place]
        marks = _marks(value)
        if found.bitmap[value >> shift] & marks == marks:
            places[count] = place
            count += 1
    return count


@njit(cache=True, nogil=True)
def _check_ngrams(
    words: Hashes, places: Offsets, row: int, n: int, grams: Lookup, hits: Hits, count: int
) -> tuple[Hits, int]:
    for place in places:
        number = _number_of(hash_of(words, place, n), grams)
        if number >= 0:
            hits = _with_room(hits, count)
            hits[count, 0], hits[count, 1], hits[count, 2] = row, place, number
            count += 1
    return hits, count


@njit(cache=True, nogil=True)
def _check_short(
    words: Hashes, places: Offsets, row: int, shortest: int, anchors: Lookup, short: Short, hits: Hits, count: int
) -> tuple[Hits, int]:
    for place in places:
        anchor = _number_of(hash_of(words, place, min(ANCHOR, len(words))), anchors)
        if anchor < 0:
            continue
        for item in short.items[short.starts[anchor] : short.starts[anchor + 1]]:
            sought = short.words[short.word_starts[item] : short.word_starts[item + 1]]
            enough = len(sought) >= shortest or len(sought) == len(words)
            if enough and _stands(words, place, sought):
                hits = _with_room(hits, count)
                hits[count, 0], hits[count, 1], hits[count, 2] = row, place, ~item
                count += 1
    return hits, count


@njit(cache=True, nogil=True)
def _stands(words: Hashes, place: int, item: Hashes) -> bool:
    if place + len(item) > len(words):
        return False
    for number in range(len(item)):  # noqa: SIM110  # compiled code has no all()
        if words[place + number] != item[number]:
            return False
    return True


@njit(cache=True, nogil=True)
def _with_room(hits: Hits, count: int) -> Hits:
    if count < len(hits):
        return hits
    more = np.empty((2 * count, 3), np.int64)
    more[:count] = hits
    return more
