"""Length in words as the Gopher rules count them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts

VERSION = 1


def word_tokens(counts: Counts) -> NDArray[np.int64]:
    """Number of words, cut as tokenizers of prose cut them: marks left out, contractions in two, hyphens between words.

    The signal `words` counts runs of letters, digits and underscores instead: an address is many of them, and one here.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> word_tokens(counts(pa.array(["Don't stop, 2nd-rate A.I.!"]))).tolist()
    [6]
    >>> word_tokens(counts(pa.array(["see https://example.org/a-b?c=1 (today)"]))).tolist()
    [3]
    >>> word_tokens(counts(pa.array(["* - --", ""]))).tolist()
    [0, 0]
    """
    return counts.words
