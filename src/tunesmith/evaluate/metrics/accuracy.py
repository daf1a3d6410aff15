"""Accuracy of answers that are labels."""

from __future__ import annotations

VERSION = 1


def accuracy(answer: str, target: str) -> float:
    """Whether the answer is the right label, apart from space around it.

    >>> accuracy(" card_arrival ", "card_arrival"), accuracy("", "card_arrival")
    (1.0, 0.0)
    """
    return float(answer.strip() == target.strip())
