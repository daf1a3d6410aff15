"""Bits per byte of documents: how well a model predicts text, whatever its tokenizer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import orjson

VERSION = 1
ASKS = "likelihood"
LOWER_IS_BETTER = True


def bits_per_byte(answers: Sequence[str]) -> float | None:
    """Bits that a model needs for a byte of the documents, over all of them together: 8 is no model at all.

    Nats / ln 2 / bytes of the text in UTF-8 (Gao et al. 2020, arXiv 2101.00027), so that models with different
    tokenizers can be compared. As one number for all rows, its interval leaves out blocks of rows (jackknife).

    >>> round(bits_per_byte(['{"nats": 69.3147, "tokens": 20, "bytes": 100}']), 3)
    1.0
    """
    found = [orjson.loads(answer) for answer in answers]
    size = sum(one["bytes"] for one in found)
    return sum(one["nats"] for one in found) / math.log(2) / size if size else None
