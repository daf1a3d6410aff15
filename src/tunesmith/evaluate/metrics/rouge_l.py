"""ROUGE-L (Lin 2004), equal to the rouge-score package's rougeL without stemming."""

from __future__ import annotations

import re
from collections.abc import Sequence

VERSION = 1
TOKEN = re.compile("[a-z0-9]+")


def rouge_l(answers: Sequence[str], targets: Sequence[str]) -> list[float | None]:
    """F1 of the longest common subsequence of words: 1 is the target, 0 shares no word with it.

    Words are runs of a-z and 0-9 after lowering the case; a target without any, such as one in another script, is
    not measured.

    >>> rouge_l(["Load the config file."], ["Load a config."])
    [0.5714285714285714]
    >>> rouge_l(["", "人"], ["Load a config.", "人"])
    [0.0, None]
    """
    return [_f1(TOKEN.findall(answer.lower()), TOKEN.findall(target.lower()))
            for answer, target in zip(answers, targets, strict=True)]  # fmt: skip


def _f1(answer: list[str], target: list[str]) -> float | None:
    if not target:
        return None
    return 2 * common_length(target, answer) / (len(answer) + len(target))


def common_length(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence, one whole row of the table a step (Hyyrö 2004).

    Bit i of `rest` is 0 where the row of the classic table grows by one at a[i].

    >>> common_length("the cat sat on the mat".split(), "the mat sat on a cat".split())
    3
    """
    places: dict[str, int] = {}
    for index, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << index
    every = (1 << len(a)) - 1
    rest = every
    for token in b:
        matched = rest & places.get(token, 0)
        rest = ((rest + matched) | (rest - matched)) & every
    return len(a) - rest.bit_count()
