"""What a causal model's token probabilities say of whether it has seen a text; of every score, higher is likelier."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCORES = ("log_prob", "min_k", "min_k_plus_plus", "zlib")
LEAST_DEVIATION = 1e-6  # where a model is sure of one token, the deviation is 0 and so is what it would divide
DECIMALS = 6  # what lies below depends on which texts stood in one batch


def likelihood_scores(folder: str, texts: Sequence[str | None], k: float) -> Floats:
    """The four SCORES of each text, a row each, not-a-number where a text has fewer than two tokens.

    All are oriented alike: the higher, the more likely the model has seen the text. `log_prob` is the mean
    log-probability per token (minus the loss); `min_k` the mean of the lowest share `k` of them (Shi et al. 2023,
    arXiv 2310.16789); `min_k_plus_plus` the same of log-probabilities that are standardised by their mean and deviation
    over the vocabulary (Zhang et al. 2024, arXiv 2404.02936); `zlib` is log_prob per byte of the compressed text
    (Carlini et al. 2021, arXiv 2012.07805), which texts of unequal length share least.
    """
    from tunesmith.models.texts import token_likelihoods

    given = [text or "" for text in texts]
    found = np.full((len(given), len(SCORES)), np.nan)
    for row, (text, (said, mean, deviation)) in enumerate(zip(given, token_likelihoods(folder, given), strict=True)):
        if len(said):
            standard = (said.astype(np.float64) - mean) / np.maximum(deviation, LEAST_DEVIATION)
            log_prob = float(said.mean(dtype=np.float64))
            found[row] = log_prob, lowest(said, k), lowest(standard, k), log_prob / len(zlib.compress(text.encode()))
    return np.round(found, DECIMALS)


def lowest(values: NDArray[np.floating], k: float) -> float:
    """The mean of the lowest share `k` of some values, of one at least.

    >>> lowest(np.array([-1.0, -5.0, -3.0, -2.0, 0.0]), 0.4)
    -4.0
    """
    count = max(1, int(k * len(values)))
    return float(np.partition(values, count - 1)[:count].mean(dtype=np.float64))
