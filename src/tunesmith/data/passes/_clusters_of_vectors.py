"""Unit vectors in clusters, so that only those of one cluster are compared: k-means on the sphere, seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
SAMPLE = 256  # vectors for each centre, from which centres are learnt

Vectors = NDArray[np.float32]


def centres_of(sample: Vectors, count: int, seed: int) -> Vectors:
    """The centres of clusters of a sample of unit vectors; a centre that no vector is nearest to stays where it is."""
    draw = np.random.default_rng(seed)
    centres = sample[np.sort(draw.permutation(len(sample))[:count])].copy()
    for _ in range(ROUNDS):
        near = nearest_centre(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, near, sample)
        lengths = np.sqrt((sums**2).sum(axis=1, keepdims=True))
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return centres


def nearest_centre(vectors: Vectors, centres: Vectors) -> NDArray[np.int64]:
    """The number of the centre that each vector is nearest to."""
    nearest: NDArray[np.int64] = (vectors @ centres.T).argmax(axis=1)
    return nearest
