"""Exact match: nothing is forgiven."""

from __future__ import annotations

VERSION = 1


def exact_match(answer: str, target: str) -> float:
    """Whether the answer is the target, character for character (`accuracy` forgives space, `f1` case as well).

    >>> exact_match("Load the file.", "Load the file."), exact_match("load the file", "Load the file.")
    (1.0, 0.0)
    """
    return float(answer == target)
