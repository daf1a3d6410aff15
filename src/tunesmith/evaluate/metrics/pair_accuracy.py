"""Accuracy of a reward model on pairs."""

from __future__ import annotations

import orjson

VERSION = 1
ASKS = "rewards"


def pair_accuracy(answer: str) -> float:
    """Whether the chosen answer of a pair has the higher reward; a tie counts half, as a coin would.

    >>> pair_accuracy('{"chosen": 0.5, "rejected": -1.0}'), pair_accuracy('{"chosen": 0.0, "rejected": 0.0}')
    (1.0, 0.5)
    """
    found = orjson.loads(answer)
    better = float(found["chosen"]) - float(found["rejected"])
    return float(better > 0) if better else 0.5
