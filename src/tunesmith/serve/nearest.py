"""The training rows that look most like a question. Similarity only: nothing here shows what caused an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Words, split also at underscores and between small and capital letters, so that names in code have words too;
# scripts that write no spaces go character by character.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]+|\d+")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Row(NamedTuple):
    """A training row as a person sees it."""

    id: str
    prompt: str
    target: str


@dataclass(frozen=True)
class Near:
    """A row, and the cosine of its prompt's tf-idf vector with the question's, from 0 to 1."""

    id: str
    similarity: float
    prompt: str
    target: str


def nearest(rows: Iterable[Row], question: str, *, n: int = 5) -> list[Near]:
    """The n rows whose prompts are most similar to the question, nearest first; rows without a common word never.

    Words of the question that no row has count against every row.
    Weights as in Salton and Buckley (1988), smoothed: (1 + ln tf) * (ln((1 + N) / (1 + df)) + 1), at length 1.
    """
    read = list(rows)
    scores = _cosines([row.prompt for row in read], question)
    pairs = zip(read, scores, strict=True)
    found = [Near(row.id, round(score, 6), row.prompt, row.target) for row, score in pairs if score > 0]
    return sorted(found, key=lambda near: (-near.similarity, near.id))[:n]


def _cosines(texts: list[str], question: str) -> list[float]:
    """The cosine of each text with the question, which stands as one more row below them."""
    vocabulary: dict[str, int] = {}
    rows = [[vocabulary.setdefault(token, len(vocabulary)) for token in _tokens(text)] for text in [*texts, question]]
    row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    words = np.array([word for row in rows for word in row], np.int64)
    cells, counts = np.unique(row_of * max(1, len(vocabulary)) + words, return_counts=True)
    row_of, words = np.divmod(cells, max(1, len(vocabulary)))
    of_texts = row_of < len(texts)
    seen_in = np.bincount(words[of_texts], minlength=len(vocabulary))
    weights = (1 + np.log(counts)) * (np.log((1 + len(texts)) / (1 + seen_in)) + 1)[words]
    wanted = np.zeros(len(vocabulary))
    wanted[words[~of_texts]] = weights[~of_texts]
    lengths = np.sqrt(np.bincount(row_of, weights**2, minlength=len(rows)))
    dots = np.bincount(row_of, weights * wanted[words], minlength=len(rows))[:-1]
    cosines = dots / np.maximum(lengths[:-1] * lengths[-1], np.finfo(np.float64).tiny)
    return [float(cosine) for cosine in cosines]


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(CAMEL.sub(" ", text).lower())
