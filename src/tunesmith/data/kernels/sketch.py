"""Texts as short vectors: tf-idf weights of their words, added up with random signs (count sketch).

The cosine of two vectors estimates that of the whole tf-idf vectors (Charikar et al. 2002; Weinberger et al. 2009,
arXiv 0902.2206), with a standard error of about one over the root of their size.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.words import Hashes, Offsets, word_hashes

DIMENSIONS = 256  # a standard error of 0.06
BUCKETS = 1 << 18  # in which texts that have a word are counted
LEVELS = 127  # a number of a vector is a whole one up to this, so that sums of products are exact in any order

Vectors = NDArray[np.int8]


def texts_with_words(texts: pa.StringArray) -> NDArray[np.int64]:
    """How many of the texts have a word of each bucket."""
    hashes, rows = word_hashes(texts)
    counts = np.zeros(BUCKETS, np.int64)
    _count(hashes, rows, counts)
    return counts


def inverse_frequencies(counts: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """The weight of a word of each bucket: the logarithm of one over the share of texts that have it."""
    return np.log((1 + total) / (1 + counts))


def sketches(texts: pa.StringArray, weights: NDArray[np.float64]) -> Vectors:
    """A vector for each text, its largest number 127; all zeros for a text without words."""
    hashes, rows = word_hashes(texts)
    sums = np.zeros((len(texts), DIMENSIONS))
    _add(hashes, rows, weights, sums)
    largest = np.abs(sums).max(axis=1, keepdims=True, initial=0)
    scaled = np.divide(sums * LEVELS, largest, out=np.zeros_like(sums), where=largest > 0)
    vectors: Vectors = np.rint(scaled).astype(np.int8)
    return vectors


@njit(cache=True, nogil=True)
def _count(hashes: Hashes, rows: Offsets, counts: NDArray[np.int64]) -> None:
    for row in range(len(rows) - 1):
        words = np.sort(hashes[rows[row] : rows[row + 1]])
        for place in range(len(words)):
            if place == 0 or words[place] != words[place - 1]:
                counts[words[place] % np.uint64(BUCKETS)] += 1


@njit(cache=True, nogil=True)
def _add(hashes: Hashes, rows: Offsets, weights: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
    for row in range(len(rows) - 1):
        words = np.sort(hashes[rows[row] : rows[row + 1]])
        begin = 0
        for place in range(1, len(words) + 1):
            if place < len(words) and words[place] == words[begin]:
                continue
            word = words[begin]
            weight = (1 + np.log(place - begin)) * weights[word % np.uint64(BUCKETS)]
            column = (word >> np.uint64(40)) % np.uint64(DIMENSIONS)
            sums[row, column] += weight if word >> np.uint64(63) else -weight
            begin = place
