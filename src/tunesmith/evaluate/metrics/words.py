"""Length of the answers."""

from __future__ import annotations

VERSION = 1


def words(answer: str) -> float:
    """Number of words in the answer: a guard against answers that shrink or ramble.

    >>> words("Load the config file."), words("")
    (4.0, 0.0)
    """
    return float(len(answer.split()))
