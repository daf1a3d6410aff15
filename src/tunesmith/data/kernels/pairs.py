"""Pairs of like texts: proposed by equal bands of signatures, verified on their n-grams, settled as stars."""

# mypy: disable-error-code="no-any-return, return-value"
# (numba's numbers have no types that mypy knows)

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.minhash import Signatures
from tunesmith.data.kernels.words import (
    STEP,
    Bytes,
    Hashes,
    Offsets,
    Table,
    finished,
    hash_ngrams,
    hash_words,
    word_bounds,
)

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
PASSAGE = 1024  # bytes at the beginning of a text in which a shared passage is looked for
ALL_PAIRS = 64  # rows of a bucket: so many are compared with one another, more of them with centres


@njit(cache=True, nogil=True)
def band_keys(signatures: Signatures, rows: Integers, bands: int, width: int, keys: Hashes) -> None:
    """Write a hash of each band of `width` places of the signature of each of these rows, band after band."""
    for place in range(len(rows)):
        signature = signatures[rows[place]]
        for band in range(bands):
            value = finished(np.uint64(band + 1) * STEP)
            for lane in range(band * width, (band + 1) * width):
                value = (value ^ np.uint64(signature[lane])) * STEP
            keys[place * bands + band] = finished(value)


@njit(cache=True, nogil=True)
def propose(
    signatures: Signatures, sides: NDArray[np.uint8], members: Integers, bounds: Offsets, at_least: int, firm: int,
    everyone: bool, most: int, pairs: Integers, counts: Integers,
) -> None:  # fmt: skip
    """Write the pairs of each bucket whose signatures agree at `at_least` places or more.

    A bucket holds rows of `signatures`, best first: `members[bounds[i]:bounds[i + 1]]`. In a small one all are
    compared. In a large one a row is compared with the centres, which are the rows before it that agreed with no
    centre at `firm` places; with `everyone` each row is one. Rows of side 1 are compared with those of side 0 only, and
    are never centres. `counts` gets: pairs written, pairs compared, rows left out because a
    bucket has more than `most` centres, and, if `pairs` was too short, 1 in its last place.
    """
    written = compared = left = 0
    centres = np.empty(most, np.int64)
    for bucket in range(len(bounds) - 1):
        first, last = bounds[bucket], bounds[bucket + 1]
        is_large = last - first > ALL_PAIRS and not everyone
        held = 0
        for place in range(first, last):
            row = members[place]
            is_like = False
            for number in range(held):
                centre = centres[number]
                if sides[row] == 1 and sides[centre] == 1:
                    continue
                compared += 1
                agreed = agreement(signatures[row], signatures[centre])
                if agreed >= at_least:
                    if written == len(pairs):
                        counts[3] = 1
                        return
                    pairs[written, 0], pairs[written, 1] = centre, row
                    written += 1
                    is_like = is_like or agreed >= firm
            if sides[row] == 0 and held == most:
                left += 1
            elif sides[row] == 0 and not (is_large and is_like):
                centres[held] = row
                held += 1
    counts[0], counts[1], counts[2] = written, compared, left


@njit(cache=True, nogil=True)
def agreement(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> int:
    """At how many places two signatures agree."""
    same = np.int32(0)
    for lane in range(len(one)):
        same += np.int32(one[lane] == other[lane])
    return same


@njit(cache=True, nogil=True)
def search(one: Signatures, others: Signatures, at_least: int, pairs: Integers) -> int:
    """Write every pair of a row of one and a row of others that agree at `at_least` places; gives how many there are.

    More than fit are counted, not written.
    """
    found = 0
    for row in range(len(one)):
        for other in range(len(others)):
            if agreement(one[row], others[other]) >= at_least:
                if found < len(pairs):
                    pairs[found, 0], pairs[found, 1] = row, other
                found += 1
    return found


@njit(cache=True, nogil=True)
def shared(grams: Hashes, bounds: Offsets, pairs: Integers, common: Integers) -> None:
    """Write how many n-grams the two sets of each pair have in common; pairs with the same first set stand together."""
    slots = np.zeros(64, np.uint64)
    mask = np.uint64(0)
    held = -1
    for place in range(len(pairs)):
        first, second = pairs[place, 0], pairs[place, 1]
        if first != held:
            size = 64
            while size < 2 * (bounds[first + 1] - bounds[first]):
                size *= 2
            if size > len(slots):
                slots = np.zeros(size, np.uint64)
            mask = fill(grams, bounds[first], bounds[first + 1], slots, size)
            held = first
        count = 0
        for at in range(bounds[second], bounds[second + 1]):
            count += holds(slots, mask, grams[at])
        common[place] = count


@njit(cache=True, nogil=True)
def shared_passages(
    data: Bytes, offsets: Offsets, others: Bytes, cuts: Offsets, signs: Table, n: int, starts: Offsets, ends: Offsets
) -> None:
    """Write where the longest run of word n-grams of each text stands that another text has too; of their beginnings.

    `others[cuts[i]:cuts[i + 1]]` is the other one of text i; where that is empty, or nothing is shared, all is meant.
    """
    words, found = np.empty(PASSAGE + 2, np.uint64), np.empty(PASSAGE + 2, np.uint64)
    begins, stops = np.empty(PASSAGE + 2, np.int64), np.empty(PASSAGE + 2, np.int64)
    slots = np.zeros(4 * PASSAGE, np.uint64)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], min(offsets[row + 1], offsets[row] + PASSAGE)
        starts[row], ends[row] = begin, end
        other_end = min(cuts[row + 1], cuts[row] + PASSAGE)
        made = hash_ngrams(words, hash_words(others, cuts[row], other_end, signs, words), n, found)
        if made == 0:
            continue
        size = 64
        while size < 2 * made:
            size *= 2
        mask = fill(found, 0, made, slots, size)
        count = word_bounds(data, begin, end, signs, begins, stops)
        made = hash_ngrams(words, hash_words(data, begin, end, signs, words), n, found)
        best = length = 0
        for place in range(made):
            length = length + 1 if holds(slots, mask, found[place]) else 0
            if length > best:
                best = length
                starts[row] = begins[place - length + 1]
                ends[row] = stops[min(place + n, count) - 1]


@njit(cache=True, nogil=True)
def fill(grams: Hashes, first: int, last: int, slots: Hashes, size: int) -> np.uint64:
    """Put n-grams into the first `size` slots, a power of two; gives the mask that finds them."""
    mask = np.uint64(size - 1)
    slots[:size] = np.uint64(0)
    for at in range(first, last):
        slot = grams[at] & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = grams[at]
    return mask


@njit(cache=True, nogil=True)
def holds(slots: Hashes, mask: np.uint64, gram: np.uint64) -> bool:
    """Whether an n-gram is among those that `fill` put there."""
    slot = gram & mask
    while slots[slot] != 0 and slots[slot] != gram:
        slot = (slot + np.uint64(1)) & mask
    return slots[slot] == gram


@njit(cache=True, nogil=True)
def stars(
    bounds: Offsets, neighbours: Integers, similarities: NDArray[np.float64], survivor: Integers,
    nearest: NDArray[np.float64],
) -> None:  # fmt: skip
    """For each node, best first: the most similar node before it that stays, or -1, in which case it stays itself.

    This is the first maximal independent set in the order of the nodes: each node that goes is similar to one that
    stays, and no two that stay are similar. `neighbours[bounds[i]:bounds[i + 1]]` are those of node i.
    """
    for node in range(len(bounds) - 1):
        survivor[node] = -1
        for place in range(bounds[node], bounds[node + 1]):
            other = neighbours[place]
            if other >= node or survivor[other] >= 0:
                continue
            is_nearer = similarities[place] > nearest[node]
            is_before = similarities[place] == nearest[node] and other < survivor[node]
            if survivor[node] < 0 or is_nearer or is_before:
                survivor[node], nearest[node] = other, similarities[place]


@njit(cache=True, nogil=True)
def components(firsts: Integers, seconds: Integers, root: Integers) -> None:
    """Write for each node the least node that it is linked with, however indirectly; `root` begins as 0, 1, 2, .."""
    for place in range(len(firsts)):
        one, other = _root(root, firsts[place]), _root(root, seconds[place])
        if one < other:
            root[other] = one
        else:
            root[one] = other
    for node in range(len(root)):
        root[node] = _root(root, node)


@njit(cache=True, nogil=True)
def _root(root: Integers, node: int) -> int:
    while root[node] != node:
        root[node] = root[root[node]]
        node = root[node]
    return node
