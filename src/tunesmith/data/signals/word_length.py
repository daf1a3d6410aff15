"""Mean length of words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1


def word_length(counts: Counts) -> NDArray[np.float64]:
    """Mean length of the words of a text in characters, marks left out; not measured where there are no words.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> word_length(counts(pa.array(["To be, or not to be."]))).round(2).tolist()
    [2.17]
    >>> word_length(counts(pa.array(["Donaudampfschiff"]))).tolist()
    [16.0]
    >>> word_length(counts(pa.array(["?!"]))).tolist()
    [nan]
    """
    return share(counts.word_characters, counts.words)
