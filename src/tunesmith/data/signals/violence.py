"""How much of a text is in the words of violence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.text import Spans
from tunesmith.data.lexicon import density

VERSION = 1

WEIGHTS = {"graphic": 1.0, "violent": 0.3}


def violence(texts: pa.StringArray, word_spans: Spans) -> NDArray[np.float64]:
    """Density of English words about violence, from 0 to 1. A word list: it tells news and history from cruelty badly.

    The score is 0.5 where two words in a hundred are graphic, 0.75 where four are; others count 0.3. violence.yaml has
    the list; docs/toxicity.md what was measured.

    >>> from tunesmith.data.views import Views
    >>> def score(text): return violence(pa.array([text]), Views(pa.array([text])).words).round(1).tolist()
    >>> score("Kill the process, then execute the job again; an aborted child dies at once.")
    [0.0]
    >>> score("He stabbed her, and the blood of the murdered guard, who had been strangled, ran on.")
    [0.9]
    >>> score("12:30 --")
    [0.0]
    """
    return density(texts, word_spans.counts, "violence", WEIGHTS)
