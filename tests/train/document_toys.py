"""Small documents and tokenizers that the tests of pre-training share."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from tunesmith.train.documents import Documents
from tunesmith.train.scratch import scratch_tokenizer

WHO, DOES, WHAT = ("The cat", "A dog", "My owl"), ("sees", "hears", "likes"), ("the sea", "a tree", "old songs")


def sentences(count: int, *, seed: int = 0) -> str:
    """Sentences of three parts each, such as `The cat sees a tree.`"""
    rng = random.Random(seed)
    return " ".join(f"{rng.choice(WHO)} {rng.choice(DOES)} {rng.choice(WHAT)}." for _ in range(count))


def text_rows(count: int, *, seed: int = 0, size: int = 8) -> list[dict[str, Any]]:
    """Documents of sentences."""
    return [{"id": str(seed + place), "text": sentences(size, seed=seed + place)} for place in range(count)]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of these sentences."""
    return scratch_tokenizer([sentences(200)], vocabulary=320)


def documents_at(lengths: Sequence[int], weights: Sequence[float] | None = None) -> Documents:
    """Documents of so many tokens: 1000 i + place, each with the end token 7 behind it."""
    ids = [token for i, length in enumerate(lengths) for token in [*(1000 * i + np.arange(length)), 7]]
    ends = np.cumsum([0, *(length + 1 for length in lengths)])
    count = len(lengths)
    given = np.ones(count) if weights is None else np.array(weights, dtype=float)
    sizes = np.array(lengths, dtype=np.int64)
    return Documents(np.array(ids, dtype=np.int32), ends, sizes, given, ("text",), np.zeros(count, np.int64), end=7)
