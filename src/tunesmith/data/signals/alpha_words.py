"""Words that have letters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1


def alpha_words(counts: Counts) -> NDArray[np.float64]:
    """Share of the tokens (words, numbers and marks) of a text that have a letter; not measured where there are none.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> alpha_words(counts(pa.array(["The year 1984, again."]))).tolist()
    [0.5]
    >>> alpha_words(counts(pa.array(["Nur Wörter"]))).tolist()
    [1.0]
    >>> alpha_words(counts(pa.array(["12 + 30 = 42", ""]))).tolist()
    [0.0, nan]
    """
    return share(counts.letter_tokens, counts.tokens)
