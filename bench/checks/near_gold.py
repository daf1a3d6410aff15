"""Gold clusters of page versions: how well the groups that a tool makes agree with them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from checks.near_tools import Ask
from checks.rows import Row

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AT, RESAMPLES, SEED = 0.8, 2_000, 0
Groups = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Gold:
    """A file of pages, and the cluster of each."""

    file: Path
    clusters: tuple[str, ...]

    def half(self, number: int) -> frozenset[int]:
        """The pages of one half of the clusters, dealt by hash."""
        return frozenset(row for row, name in enumerate(self.clusters) if _side(name) == number)


@dataclass(frozen=True)
class Agreement:
    """Pairs of pages that gold and a tool put together, the tool alone, and gold alone, for each gold cluster."""

    both: np.ndarray
    extra: np.ndarray  # a pair across two clusters counts half for each
    missed: np.ndarray

    @property
    def precision(self) -> float:
        """Share of the tool's pairs that are gold's."""
        return _share(self.both.sum(), self.extra.sum())

    @property
    def recall(self) -> float:
        """Share of gold's pairs that the tool has."""
        return _share(self.both.sum(), self.missed.sum())

    def f1(self) -> tuple[float, float, float]:
        """The harmonic mean of both, with its 95 % interval over drawn clusters."""
        wrong = (self.extra + self.missed) / 2
        drawn = np.random.default_rng(SEED).integers(0, len(self.both), (RESAMPLES, len(self.both)))
        hits, errors = self.both[drawn].sum(1), wrong[drawn].sum(1)
        low, high = np.quantile(hits / np.maximum(hits + errors, 1), [0.025, 0.975])
        return _share(self.both.sum(), wrong.sum()), float(low), float(high)


def gold_rows(tool: str, gold: Gold, ask: Ask) -> list[Row]:
    """Pairwise F1 at 0.8, and at the threshold that was best on one half of the clusters, on the other half."""
    rows = []
    answers = {threshold: ask(gold.file, threshold) for threshold in THRESHOLDS}
    for kind in ("clusters", "stars") if answers[AT].stars else ("clusters",):
        groups: dict[float, Groups] = {at: getattr(answer, kind) for at, answer in answers.items()}
        called = f"{tool}, survivors" if kind == "stars" else tool
        everything = frozenset(range(len(gold.clusters)))
        rows.append(_row(f"{called}: gold pairs, F1 at {AT}", gold, groups[AT], everything, f"bound {AT}"))
        chosen, reported = gold.half(0), gold.half(1)
        best = max(THRESHOLDS, key=lambda at: agreement(gold.clusters, groups[at], chosen).f1()[0])
        note = f"bound {best}, best on the other half"
        rows.append(_row(f"{called}: gold pairs, F1 at its best bound", gold, groups[best], reported, note))
    return rows


def _row(what: str, gold: Gold, groups: Groups, among: frozenset[int], note: str) -> Row:
    agreed = agreement(gold.clusters, groups, among)
    rand = adjusted_rand(gold.clusters, groups, among)
    note = f"precision {agreed.precision:.3f}, recall {agreed.recall:.3f}, adjusted Rand index {rand:.3f}; {note}"
    value, low, high = agreed.f1()
    return Row(what, value, len(among), low, high, note=note)


def agreement(clusters: Sequence[str], groups: Groups, among: frozenset[int]) -> Agreement:
    """How the pairs of groups agree with those of gold clusters, among some pages."""
    names = {name: place for place, name in enumerate(sorted({clusters[row] for row in among}))}
    both, extra, own = (np.zeros(len(names)) for _ in range(3))
    for group in groups:
        for one, other in combinations([row for row in group if row in among], 2):
            places = names[clusters[one]], names[clusters[other]]
            if places[0] == places[1]:
                both[places[0]] += 1
            else:
                extra[list(places)] += 0.5
    for name, size in Counter(clusters[row] for row in among).items():
        own[names[name]] = comb(size, 2)
    return Agreement(both, extra, own - both)


def adjusted_rand(clusters: Sequence[str], groups: Groups, among: frozenset[int]) -> float:
    """How much better than by chance two partitions agree (Hubert and Arabie 1985); 1 for equal ones.

    >>> adjusted_rand(["a", "a", "b", "b"], [[0, 1], [2, 3]], frozenset(range(4)))
    1.0
    """
    group_of = {row: number for number, group in enumerate(groups) for row in group}
    pairs = Counter((clusters[row], group_of.get(row, -1 - row)) for row in among)
    ours, theirs = Counter[str](), Counter[int]()
    for (name, number), size in pairs.items():
        ours[name] += size
        theirs[number] += size
    both, one, other = (sum(comb(size, 2) for size in found.values()) for found in (pairs, ours, theirs))
    by_chance = one * other / comb(len(among), 2)
    return (both - by_chance) / ((one + other) / 2 - by_chance)


def _side(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def _share(part: float, rest: float) -> float:
    return float(part / (part + rest)) if part + rest else 0.0
