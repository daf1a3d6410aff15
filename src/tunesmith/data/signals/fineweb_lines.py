"""Lines as running text has them, and lines as lists and menus have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1
MEASURES = ("stopped", "short", "repeated_characters", "newlines")


def fineweb_lines(counts: Counts) -> dict[str, NDArray[np.float64]]:
    r"""Share of lines that end a sentence, of short ones and of characters in repeated ones; newlines for each token.

    Short is a line of at most 30 characters. Lines of nothing but white space do not count. These are the rules that
    FineWeb added to C4's and Gopher's (Penedo et al. 2024, section 3.5).

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> fineweb_lines(counts(pa.array(["A headline\nAnd a sentence that is longer than that."])))["stopped"].tolist()
    [0.5]
    >>> fineweb_lines(counts(pa.array(["Home\nHome\nNews\n"])))["repeated_characters"].round(2).tolist()
    [0.33]
    >>> fineweb_lines(counts(pa.array(["one\ntwo three\n"])))["newlines"].round(2).tolist()
    [0.67]
    """
    return {
        "stopped": share(counts.stopped_lines, counts.lines),
        "short": share(counts.short_lines, counts.lines),
        "repeated_characters": share(counts.repeated_line_characters, counts.characters - counts.newlines),
        "newlines": share(counts.newlines, counts.tokens),
    }
