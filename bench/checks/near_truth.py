r"""All pairs of near-duplicates by brute force, in plain Python and independent of tunesmith: what tools are held to.

A document is the set of its word 5-grams, words being `re.findall(r"\w+", text.lower())`; of a shorter one all words
together. The join finds every pair of at least the given Jaccard similarity: two sets that are so alike share one of
their rarest n-grams (prefix filter, Chaudhuri et al. 2006), so that only documents which share one are compared.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

N = 5
WORDS = re.compile(r"\w+")

Shingles = frozenset[tuple[str, ...]]
Pairs = dict[tuple[int, int], float]  # the lower position first


def shingles(text: str) -> Shingles:
    """The distinct word 5-grams of a text."""
    words = WORDS.findall(text.lower())
    if not words:
        return frozenset()
    return frozenset(tuple(words[at : at + N]) for at in range(max(1, len(words) - N + 1)))


def jaccard(one: Collection[object], other: Collection[object]) -> float:
    """The share of what two sets hold that both hold.

    >>> jaccard({1, 2, 3}, {2, 3, 4})
    0.5
    """
    both = len(set(one) & set(other))
    return both / (len(one) + len(other) - both)


def similar_pairs(texts: Sequence[str], least: float) -> Pairs:
    """Every pair of texts whose similarity is at least this, with its similarity."""
    numbered = _numbered(texts)
    holders: dict[int, list[int]] = defaultdict(list)
    found: Pairs = {}
    for row in sorted(range(len(texts)), key=lambda row: len(numbered[row])):
        own = numbered[row]
        prefix = own[: len(own) - math.ceil(least * len(own)) + 1]
        smallest = least * len(own)
        others = {other for gram in prefix for other in holders[gram] if len(numbered[other]) >= smallest}
        mine = set(own)
        for other in others:
            if (similarity := jaccard(mine, numbered[other])) >= least:
                found[min(row, other), max(row, other)] = similarity
        for gram in prefix:
            holders[gram].append(row)
    return found


def _numbered(texts: Sequence[str]) -> list[list[int]]:
    """Each text's n-grams as numbers, rarest first: numbers are given in that order."""
    sets = [shingles(text) for text in texts]
    held_by = Counter(gram for grams in sets for gram in grams)
    ranked = sorted(held_by, key=lambda gram: (held_by[gram], gram))
    number = {gram: place for place, gram in enumerate(ranked)}
    return [sorted(number[gram] for gram in grams) for grams in sets]


def components(pairs: Collection[tuple[int, int]]) -> list[list[int]]:
    """The groups that pairs tie together, each in order.

    >>> components([(1, 2), (5, 6), (2, 4)])
    [[1, 2, 4], [5, 6]]
    """
    beside: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        beside[one].add(other)
        beside[other].add(one)
    groups, seen = [], set[int]()
    for start in sorted(beside):
        group, waiting = [], [start]
        while waiting:
            row = waiting.pop()
            if row not in seen:
                seen.add(row)
                group.append(row)
                waiting += beside[row]
        if group:
            groups.append(sorted(group))
    return groups


def removed_by_greed(texts: Sequence[str], pairs: Collection[tuple[int, int]]) -> set[int]:
    """What is removed if rows, longest first, each stay unless they are like one that stays."""
    beside = neighbours(pairs)
    stays: set[int] = set()
    for row in sorted(beside, key=lambda row: (-len(texts[row]), row)):
        if not beside[row] & stays:
            stays.add(row)
    return set(beside) - stays


def neighbours(pairs: Collection[tuple[int, int]]) -> dict[int, set[int]]:
    """For each row of a pair, the rows it is paired with."""
    beside: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        beside[one].add(other)
        beside[other].add(one)
    return dict(beside)
