"""Lines that are items of a list, or cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1
MEASURES = ("bullets", "ellipses")


def line_shapes(counts: Counts) -> dict[str, NDArray[np.float64]]:
    r"""Share of the lines that begin with a bullet (•, - or * among others), and of those that end with an ellipsis.

    Lines that hold nothing but white space do not count.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> line_shapes(counts(pa.array(["To do:\n- eat\n\n  * sleep\nDone"])))["bullets"].tolist()
    [0.5]
    >>> line_shapes(counts(pa.array(["Read more...\nThe end."])))["ellipses"].tolist()
    [0.5]
    >>> line_shapes(counts(pa.array(["\n\n"])))["bullets"].tolist()
    [nan]
    """
    return {"bullets": share(counts.bullet_lines, counts.lines), "ellipses": share(counts.ellipsis_lines, counts.lines)}
