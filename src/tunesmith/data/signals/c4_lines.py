"""What is left of a text by the rules of C4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.text import Counts

VERSION = 1
MEASURES = ("sentences", "lorem_ipsum", "curly_brackets")


def c4_lines(counts: Counts) -> dict[str, NDArray[np.int64]]:
    r"""Sentences in the lines that C4 keeps; those of these lines that hold a curly bracket or "lorem ipsum".

    C4 keeps a line of at least three words, none longer than 1,000 characters, that ends with . ! ? or a quotation mark
    (not with an ellipsis; citations such as [1] at its end aside) and speaks neither of javascript nor of cookies,
    terms of use or a privacy policy (Raffel et al. 2020, section 2.2, and their code).

    >>> import pyarrow as pa; from tunesmith.data.kernels.quality import counts
    >>> c4_lines(counts(pa.array(["Menu\nIt rained. We went.[2]\nPlease enable javascript."])))["sentences"].tolist()
    [2]
    >>> c4_lines(counts(pa.array(["Lorem ipsum dolor sit amet."])))["lorem_ipsum"].tolist()
    [1]
    >>> c4_lines(counts(pa.array(["for (;;) {\nUse a { to begin."])))["curly_brackets"].tolist()
    [1]
    """
    return {
        "sentences": counts.c4_sentences,
        "lorem_ipsum": counts.c4_lorem_ipsum,
        "curly_brackets": counts.c4_curly_brackets,
    }
