"""Frequent words that running English text cannot do without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts

VERSION = 1


def stop_words(counts: Counts) -> NDArray[np.int64]:
    """How many of Gopher's eight stop words a text has: the, be, to, of, and, that, have, with.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> stop_words(counts(pa.array(["The cat and the dog"]))).tolist()
    [2]
    >>> stop_words(counts(pa.array(["Buy now! Cheap shoes"]))).tolist()
    [0]
    >>> stop_words(counts(pa.array(["to the other, thereof"]))).tolist()
    [2]
    """
    return counts.stop_words
