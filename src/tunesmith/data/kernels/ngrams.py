"""A linear model over hashed words, pairs of words and letter n-grams, in windows of a few words; for toxicity."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.windows import Bounds, Bytes

BUCKETS = 1 << 18
SHORTEST, LONGEST = 3, 5  # letter n-grams; a word's borders count as letters
BORDER = 32


def _folded() -> Bytes:
    """What each byte of UTF-8 stands for in a word, 0 between words; f*ck is one word."""
    table = np.zeros(256, np.uint8)
    table[128:] = np.arange(128, 256)
    for signs in (ascii_lowercase + digits + "*$@", ascii_uppercase):
        table[[ord(sign) for sign in signs]] = [ord(sign.lower()) for sign in signs]
    return table


FOLDED = _folded()


@njit(cache=True, nogil=True)
def window_end(data: Bytes, begin: int, end: int, words: int) -> int:
    """Where a window of so many words ends that begins here."""
    at = begin
    while words and at < end:
        while at < end and not FOLDED[data[at]]:
            at += 1
        while at < end and FOLDED[data[at]]:
            at += 1
        words -= 1
    return at


@njit(cache=True, nogil=True)
def features(data: Bytes, begin: int, end: int, found: NDArray[np.int32]) -> int:
    """Write the bucket of each feature of a window into `found`, which has five places a byte; how many they are."""
    count, before = 0, np.uint32(0)
    at = begin
    while at < end:
        if not FOLDED[data[at]]:
            at += 1
            continue
        first = at
        whole = np.uint32(1)
        while at < end and FOLDED[data[at]]:
            whole = _step(whole, FOLDED[data[at]])
            at += 1
        found[count] = _bucket(whole)
        found[count + 1] = _bucket(whole ^ _step(before, 255))
        count += 2
        before = whole
        for start in range(first - 1, at - SHORTEST + 2):
            key = np.uint32(2)
            for place in range(start, min(start + LONGEST, at + 1)):
                key = _step(key, BORDER if place < first or place == at else FOLDED[data[place]])
                if place - start + 1 >= SHORTEST:
                    found[count] = _bucket(key)
                    count += 1
    return count


@njit(cache=True, nogil=True)
def scores(
    data: Bytes, offsets: Bounds, weights: NDArray[np.int8], scale: float, bias: float, words: int, part: float
) -> NDArray[np.float64]:
    """For each text the mean probability of the most probable `part` of its windows, and of one window at least."""
    result = np.zeros(len(offsets) - 1, np.float64)
    found = np.empty(1024, np.int32)
    for row in range(len(result)):
        at, end, windows = offsets[row], offsets[row + 1], 0
        shares = np.empty((end - at) // (2 * words) + 2, np.float64)
        while at < end:
            stop = window_end(data, at, end, words)
            if 5 * (stop - at) > len(found):
                found = np.empty(10 * (stop - at), np.int32)
            count = features(data, at, stop, found)
            if count:
                total = 0
                for feature in range(count):
                    total += weights[found[feature]]
                shares[windows] = 1 / (1 + np.exp(-bias - scale * total / np.sqrt(count)))
                windows += 1
            at = stop
        if windows:
            most = max(int(windows * part), 1)
            result[row] = np.mean(np.sort(shares[:windows])[windows - most :])
        else:
            result[row] = np.nan
    return result


@njit(cache=True, nogil=True)
def _step(key: np.uint32, byte: int) -> np.uint32:
    return np.uint32((key ^ np.uint32(byte)) * np.uint32(16777619))


@njit(cache=True, nogil=True)
def _bucket(key: np.uint32) -> np.int64:
    """The upper bits depend on all bytes, so they are mixed into the lower ones, which are taken."""
    key = np.uint32((key ^ (key >> np.uint32(15))) * np.uint32(0x85EBCA6B))
    return np.int64((key ^ (key >> np.uint32(13))) & np.uint32(BUCKETS - 1))
