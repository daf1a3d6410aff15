"""How surprising a text is to an n-gram model of words in KenLM's format."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath

VERSION = 1


def kenlm_perplexity(text: str, *, model: LocalPath) -> float | None:
    """Perplexity of a text per word under a KenLM model of your own (.arpa or .bin), which needs the package kenlm.

    Words are what stands between white space, as the model's training text should have had them; the whole text counts
    as one sentence. A text without words is not measured.

    >>> per_word(-6.0, 2)  # two words and the end of the text, a hundredth each
    100.0
    >>> per_word(0.0, 5), per_word(-3.0, 0)
    (1.0, 1000.0)
    >>> kenlm_perplexity(" ", model=LocalPath("en.arpa"))
    """
    words = text.split()
    return per_word(_scorer(model)(" ".join(words)), len(words)) if words else None


def per_word(log10: float, words: int) -> float:
    """Perplexity from the decimal logarithm of the probability of so many words and the end of the text."""
    return float(10 ** (-log10 / (words + 1)))


@cache
def _scorer(path: LocalPath) -> Callable[[str], float]:
    try:
        kenlm = import_module("kenlm")
    except ImportError:
        raise UserError("kenlm_perplexity: the package kenlm is not installed.", "pip install kenlm") from None
    try:
        return cast("Callable[[str], float]", kenlm.Model(path).score)
    except OSError as error:
        raise UserError(f"kenlm_perplexity: {path}: {error}.", "Give a file that lmplz or build_binary made.") from None
