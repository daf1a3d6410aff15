"""Length in characters."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

VERSION = 1


def characters(texts: pa.StringArray) -> pa.Int32Array:
    """Number of characters (Unicode code points), spaces and line ends among them.

    >>> characters(pa.array(["four", "für"])).to_pylist()
    [4, 3]
    >>> characters(pa.array([""])).to_pylist()
    [0]
    >>> characters(pa.array([None], pa.string())).to_pylist()
    [None]
    """
    return pc.utf8_length(texts)
