"""Rows as often as a mix has them, where they leave the house."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow

TAKEN_ROWS = 10_000  # at once, so that many copies of a shard are never in memory together


def repeated(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows, each as often as its `copies` say (once where they say nothing), without that column."""
    if "copies" not in rows.column_names:
        yield rows
        return
    order = spread(pc.fill_null(rows["copies"].cast(pa.int64()), 1).to_numpy())
    plain = rows.drop_columns("copies")
    for start in range(0, max(1, len(order)), TAKEN_ROWS):
        yield plain.take(arrow(order[start : start + TAKEN_ROWS]))


def spread(copies: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row as often as it is copied, the copies of one row far apart.

    The copies of a row divide the circle of all places evenly, beginning at its own.

    >>> spread(np.array([2, 1, 1])).tolist()
    [0, 1, 0, 2]
    """
    index = np.repeat(np.arange(len(copies)), copies)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(copies) - copies, copies)
    turned = (index / max(1, len(copies)) + nth / np.maximum(copies, 1)[index]) % 1.0
    return index[np.argsort(turned, kind="stable")]
