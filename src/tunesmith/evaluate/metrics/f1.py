"""Token F1 as in SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250)."""

from __future__ import annotations

import re
import string
from collections import Counter

VERSION = 1
ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def f1(answer: str, target: str) -> float:
    """F1 of the words that answer and target share, without case, ASCII punctuation and English articles (SQuAD).

    >>> f1("Load the config file", "load a config"), f1("", "load a config")
    (0.8, 0.0)
    """
    given, expected = _tokens(answer), _tokens(target)
    if not given or not expected:
        return float(given == expected)
    shared = (Counter(given) & Counter(expected)).total()
    return 2 * shared / (len(given) + len(expected))


def _tokens(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split()
