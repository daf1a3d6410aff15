"""How surprising a text is to a causal language model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.record import LocalPath

VERSION = 1


def causal_perplexity(texts: pa.StringArray, *, model: LocalPath) -> NDArray[np.float64]:
    """Perplexity of a text, per token, under a causal language model in a local folder.

    A text longer than the model holds is read in windows side by side. Not measured where a text is shorter than two
    tokens. Needs the extra train.
    """
    from tunesmith.models.texts import perplexities

    found = perplexities(model, [text or "" for text in texts.to_pylist()])
    return np.array([np.nan if value is None else value for value in found])
