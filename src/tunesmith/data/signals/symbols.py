"""Symbols that stand for what is no prose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1
MEASURES = ("hashes", "ellipses")


def symbols(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Hash signs, and ellipses (... or …), for each token (word, number or mark) of a text.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> symbols(counts(pa.array(["#sun #sea and so on..."])))["hashes"].tolist()
    [0.25]
    >>> symbols(counts(pa.array(["well ... maybe …"])))["ellipses"].tolist()
    [0.5]
    >>> symbols(counts(pa.array([""])))["hashes"].tolist()
    [nan]
    """
    return {"hashes": share(counts.hashes, counts.tokens), "ellipses": share(counts.ellipses, counts.tokens)}
