"""Perplexity of documents per token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import orjson

VERSION = 1
ASKS = "likelihood"
LOWER_IS_BETTER = True


def perplexity(answers: Sequence[str]) -> float | None:
    """Perplexity per token, over all documents together; only models with one tokenizer can be compared by it.

    >>> round(perplexity(['{"nats": 69.3147, "tokens": 100, "bytes": 300}']), 3)
    2.0
    """
    found = [orjson.loads(answer) for answer in answers]
    tokens = sum(one["tokens"] for one in found)
    return math.exp(sum(one["nats"] for one in found) / tokens) if tokens else None
