"""MinHash signatures of texts, and the distinct n-grams that they stand for (Broder 1997).

A signature keeps, for each of its permutations, the least value that any n-gram of the text has under it: two texts
agree at a place with the probability of their Jaccard similarity. A permutation of 32-bit numbers is x -> (x ^ salt) *
factor with an odd factor; the numbers are the upper halves of well mixed 64-bit hashes.
"""

# mypy: disable-error-code="no-any-return"
# (numba's numbers have no types that mypy knows)

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.words import Bytes, Hashes, Offsets, Table, hash_characters, hash_ngrams, hash_words
from tunesmith.data.views import bytes_of

Signatures = NDArray[np.uint32]  # a row each text, a column each permutation
TOP = np.uint32(0xFFFFFFFF)
SEED = 0x5EED  # of the permutations: fixed, so that signatures of different runs can be compared


def signatures(
    texts: pa.StringArray, signs: Table, *, by_characters: bool, n: int, permutations: int
) -> tuple[Signatures, NDArray[np.int64], Hashes]:
    """The signature of each text, how many distinct n-grams it has, and two 64-bit sums that stand for their set.

    A text with fewer than n words (or characters) is one n-gram; one without any has size 0.
    """
    data, offsets = bytes_of(texts)
    salts, factors = permutation(permutations)
    made = np.full((len(texts), permutations), TOP, np.uint32)
    sizes, sums = np.zeros(len(texts), np.int64), np.zeros((len(texts), 2), np.uint64)
    _sign(data, offsets, signs, by_characters, n, salts, factors, made, sizes, sums)
    return made, sizes, sums


def permutation(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The salts and odd factors of so many permutations; the first ones are the same however many there are."""
    draw = np.random.Generator(np.random.PCG64(SEED)).integers(0, 1 << 32, (count, 2), np.uint32)
    return np.ascontiguousarray(draw[:, 0]), np.ascontiguousarray(draw[:, 1] | np.uint32(1))


def ngram_sets(texts: pa.StringArray, signs: Table, *, by_characters: bool, n: int) -> tuple[Hashes, Offsets]:
    """The distinct n-grams of each text, in the order in which they first stand, and where those of each text begin."""
    data, offsets = bytes_of(texts)
    found = np.empty(int(offsets[-1] - offsets[0]) + 2 * len(offsets), np.uint64)
    rows = np.zeros(len(offsets), np.int64)
    _collect(data, offsets, signs, by_characters, n, found, rows)
    return found[: rows[-1]].copy(), rows


@njit(cache=True, nogil=True)
def _sign(
    data: Bytes, offsets: Offsets, signs: Table, by_characters: bool, n: int, salts: NDArray[np.uint32],
    factors: NDArray[np.uint32], made: Signatures, sizes: NDArray[np.int64], sums: Hashes,
) -> None:  # fmt: skip
    words, grams, slots = np.empty(1024, np.uint64), np.empty(1024, np.uint64), np.empty(4096, np.uint64)
    for row in range(len(offsets) - 1):
        room = offsets[row + 1] - offsets[row] + 2
        if room > len(words):
            words, grams = np.empty(2 * room, np.uint64), np.empty(2 * room, np.uint64)
            slots = np.empty(_slots_for(2 * room), np.uint64)
        count = _grams(data, offsets[row], offsets[row + 1], signs, by_characters, n, words, grams)
        count = _distinct(grams, count, slots)
        sizes[row] = count
        first, second = np.uint64(0), np.uint64(0)
        for place in range(count):
            first += grams[place]
            second += (grams[place] >> np.uint64(7)) * np.uint64(0x9E3779B97F4A7C15) ^ grams[place]
        sums[row, 0], sums[row, 1] = first, second
        _minima(grams, count, salts, factors, made[row])


@njit(cache=True, nogil=True)
def _collect(
    data: Bytes, offsets: Offsets, signs: Table, by_characters: bool, n: int, found: Hashes, rows: Offsets
) -> None:
    words, slots = np.empty(1024, np.uint64), np.empty(4096, np.uint64)
    for row in range(len(offsets) - 1):
        room = offsets[row + 1] - offsets[row] + 2
        if room > len(words):
            words, slots = np.empty(2 * room, np.uint64), np.empty(_slots_for(2 * room), np.uint64)
        own = found[rows[row] :]
        count = _grams(data, offsets[row], offsets[row + 1], signs, by_characters, n, words, own)
        rows[row + 1] = rows[row] + _distinct(own, count, slots)


@njit(cache=True, nogil=True)
def _grams(
    data: Bytes, begin: int, end: int, signs: Table, by_characters: bool, n: int, words: Hashes, grams: Hashes
) -> int:
    if by_characters:
        count = hash_characters(data, begin, end, signs, words)
    else:
        count = hash_words(data, begin, end, signs, words)
    return hash_ngrams(words, count, n, grams)


@njit(cache=True, nogil=True)
def _slots_for(count: int) -> int:
    size = 64
    while size < 2 * count:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def _distinct(grams: Hashes, count: int, slots: Hashes) -> int:
    """Move the first of each of equal n-grams to the front; gives how many there are."""
    size = _slots_for(count)
    mask = np.uint64(size - 1)
    slots[:size] = np.uint64(0)
    kept = 0
    for place in range(count):
        gram = grams[place] if grams[place] else np.uint64(1)  # zero is an empty slot
        slot = gram & mask
        while slots[slot] != 0 and slots[slot] != gram:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == 0:
            slots[slot] = gram
            grams[kept] = gram
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _minima(
    grams: Hashes, count: int, salts: NDArray[np.uint32], factors: NDArray[np.uint32], least: NDArray[np.uint32]
) -> None:
    """The least value of any n-gram under each permutation; four n-grams a turn, so that minima are read seldom."""
    place = 0
    while place + 4 <= count:
        one, two = np.uint32(grams[place] >> np.uint64(32)), np.uint32(grams[place + 1] >> np.uint64(32))
        three, four = np.uint32(grams[place + 2] >> np.uint64(32)), np.uint32(grams[place + 3] >> np.uint64(32))
        for lane in range(len(least)):
            salt, factor = salts[lane], factors[lane]
            a, b = np.uint32((one ^ salt) * factor), np.uint32((two ^ salt) * factor)
            c, d = np.uint32((three ^ salt) * factor), np.uint32((four ^ salt) * factor)
            least[lane] = min(min(min(a, b), min(c, d)), least[lane])
        place += 4
    while place < count:
        one = np.uint32(grams[place] >> np.uint64(32))
        for lane in range(len(least)):
            least[lane] = min(np.uint32((one ^ salts[lane]) * factors[lane]), least[lane])
        place += 1
