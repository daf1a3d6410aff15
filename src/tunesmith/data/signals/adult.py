"""How much of a text is in the words of pornography."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.text import Spans
from tunesmith.data.lexicon import density

VERSION = 1

WEIGHTS = {"explicit": 1.0, "suggestive": 0.3}


def adult(texts: pa.StringArray, word_spans: Spans) -> NDArray[np.float64]:
    """Density of explicit English words, from 0 to 1. A lexicon, not validated: there are no labelled texts to test it.

    The score is 0.5 where two words in a hundred are explicit, 0.75 where four are; a suggestive word counts 0.3. Words
    of medicine are not counted. adult.yaml has the list and its licence; docs/toxicity.md what was measured.

    >>> from tunesmith.data.views import Views
    >>> def score(text): return adult(pa.array([text]), Views(pa.array([text])).words).round(1).tolist()
    >>> score("Breast cancer screening; the cervix and the vagina are examined.")
    [0.0]
    >>> score("Free porn, xxx videos, hot milf blowjob"), score("The committee met on Tuesday, as it does every week.")
    ([0.9], [0.0])
    >>> score("")
    [nan]
    """
    return density(texts, word_spans.counts, "adult", WEIGHTS)
