"""Groups of records dealt to parts, each where most is lacking."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def fill(
    bounds: NDArray[np.int64],
    strata: NDArray[np.int64],
    rows: NDArray[np.int64],
    is_large: NDArray[np.bool_],
    lacking_SP: NDArray[np.float64],
    parts: NDArray[np.int64],
) -> None:
    """Write the part of each group, and take what it got from what is lacking.

    Group g has `rows[i]` records of stratum `strata[i]` for i from `bounds[g]` to `bounds[g + 1]`. Large groups come
    first and go to part 0. Every other one goes where it lessens the squared lack most, each stratum by its size.
    """
    scale = np.maximum(lacking_SP.sum(axis=1), 1.0)
    for turn in range(2):
        for group in range(len(bounds) - 1):
            if is_large[group] != (turn == 0):
                continue
            best = 0
            if turn:
                best_gain = -np.inf
                for part in range(lacking_SP.shape[1]):
                    gain = 0.0
                    for place in range(bounds[group], bounds[group + 1]):
                        gain += rows[place] * lacking_SP[strata[place], part] / scale[strata[place]]
                    if gain > best_gain:
                        best, best_gain = part, gain
            parts[group] = best
            for place in range(bounds[group], bounds[group + 1]):
                lacking_SP[strata[place], best] -= rows[place]
