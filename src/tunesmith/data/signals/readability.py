"""How hard a text is to read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.text import Spans

VERSION = 1

LONG = 6  # letters; words with more are long (Björnsson 1968, Läsbarhet)
SENTENCE_END = r"""[.!?…。！？।؟]+["'»”’)\]]*(?:\s|$)"""


def readability(texts: pa.StringArray, word_spans: Spans) -> NDArray[np.float64]:
    """Readability as LIX: words a sentence, and the percentage of words that have more than six letters.

    Below 30 reads like a children's book, 40 like a newspaper, above 60 like law or science. It needs no syllables, so
    it holds for any language that puts spaces between words; it is not measured where there are none.

    >>> def lix(text): return readability(pa.array([text]), Spans.of([text.rstrip(".").split()])).round(1).item()
    >>> lix("The cat sat on the mat.")
    6.0
    >>> lix("Notwithstanding considerable reservations they agreed.")
    65.0
    >>> lix("")
    nan
    """
    counts = word_spans.counts
    is_start = np.concatenate([[0], np.cumsum((word_spans.data & 0xC0) != 0x80)])
    is_long = is_start[word_spans.ends] - is_start[word_spans.starts] > LONG
    longs = np.concatenate([[0], np.cumsum(is_long)])[word_spans.rows]
    ends = pc.count_substring_regex(texts.fill_null(""), SENTENCE_END).to_numpy()
    words = np.maximum(counts, 1)
    lix = words / np.maximum(ends, 1) + 100 * np.diff(longs) / words
    return np.where(counts > 0, lix, np.nan)
