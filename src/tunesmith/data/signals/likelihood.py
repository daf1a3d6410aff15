"""How likely a causal language model has seen a text, by the probabilities that it gives its tokens."""

from __future__ import annotations

import pyarrow as pa

from tunesmith.core.record import LocalPath
from tunesmith.data.likelihood import SCORES, Floats, likelihood_scores

VERSION = 1
MEASURES = SCORES


def likelihood(texts: pa.StringArray, *, model: LocalPath, k: float = 0.2) -> dict[str, Floats]:
    """Mean log-probability per token, Min-K%, Min-K%++ and zlib ratio of a text under a causal language model.

    Of each, the higher, the more likely the model has seen the text. `min_k` is the mean of the lowest share `k` of the
    tokens' log-probabilities, `min_k_plus_plus` the same after each was standardised over the vocabulary, `zlib` the
    mean log-probability per byte of the compressed text. A text longer than the model holds is read in windows side by
    side. Not measured where a text is shorter than two tokens. They compare texts under one model; what is high
    only a reference tells, as in the pass membership. Needs the extra train.
    """
    found = likelihood_scores(model, texts.to_pylist(), k)
    return {name: found[:, place] for place, name in enumerate(SCORES)}
