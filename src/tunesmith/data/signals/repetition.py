"""Text that repeats itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts, share

VERSION = 1
MEASURES = (
    "lines", "line_characters", "paragraphs", "paragraph_characters", "top_2_gram", "top_3_gram", "top_4_gram",
    "repeated_5_grams", "repeated_6_grams", "repeated_7_grams", "repeated_8_grams", "repeated_9_grams",
    "repeated_10_grams",
)  # fmt: skip


def repetition(counts: Counts) -> dict[str, NDArray[np.float64]]:
    r"""Share of lines, paragraphs and their characters, and of the characters in n-grams of tokens, that repeat others.

    A line or paragraph counts where an equal one has stood before in the text. `top_N_gram` is what the commonest
    n-gram covers, `repeated_N_grams` what is in n-grams that have stood before, each character once.

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> repetition(counts(pa.array(["one\ntwo\none\none"])))["lines"].tolist()
    [0.5]
    >>> repetition(counts(pa.array(["so it is, so it was"])))["top_2_gram"].round(2).tolist()
    [0.53]
    >>> repetition(counts(pa.array(["a b c d e f a b c d e"])))["repeated_5_grams"].round(2).tolist()
    [0.24]
    """
    values = {
        "lines": share(counts.repeated_lines, counts.lines),
        "line_characters": share(counts.repeated_line_characters, counts.characters),
        "paragraphs": share(counts.repeated_paragraphs, counts.paragraphs),
        "paragraph_characters": share(counts.repeated_paragraph_characters, counts.characters),
    }
    grams = np.concatenate([counts.top_grams, counts.repeated_grams], axis=1).T
    return values | {name: share(part, counts.characters) for name, part in zip(MEASURES[4:], grams, strict=True)}
