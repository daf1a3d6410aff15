"""Diversity of the answers."""

from __future__ import annotations

from collections.abc import Sequence

VERSION = 1


def distinct(answers: Sequence[str]) -> float:
    """Share of distinct answers among all: a guard against one answer to everything. It falls as rows are added.

    >>> distinct(["Load it.", "Save it.", "Load it. ", "Close it."])
    0.75
    """
    return len({answer.strip() for answer in answers}) / len(answers) if answers else 0.0
