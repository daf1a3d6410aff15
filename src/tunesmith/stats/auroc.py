"""How well a score tells two sets of rows apart: the area under the ROC curve with its 95 % interval.

The area is the share of pairs, one row of each set, in which the positive one scores higher; ties count half. Its
variance is that of DeLong, DeLong and Clarke-Pearson (1988), by cluster that of Obuchowski (1997), and the limits are
taken on the scale of logits, where they stay between 0 and 1 and cover better near them (Pepe 2003). Where all pairs
agree that variance is 0 and would lie: the limits are then those of Newcombe (2006, method 5), which depend on the
area and the number of rows, or of clusters, alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.numbers import Number
from tunesmith.stats.intervals import NORMAL, TAIL, Floats, Groups, Ints, Limits, Values

HALVINGS = 60  # of the interval in which a limit is searched


def auroc(scores: Values, labels: Sequence[bool], *, groups: Groups | None = None, inflation: float = 1.0) -> Number:
    """The area under the ROC curve with its 95 % interval, by row or, with `groups`, by cluster (None: a row alone).

    The variance is multiplied by `inflation`, for scores of models that learnt from others of these rows. A row whose
    score is not a number was not measured and does not count; without rows on both sides nothing is measured.
    """
    values = np.asarray(scores, dtype=np.float64)
    sides = _sides(~np.isnan(values), np.asarray(labels, dtype=bool), groups)
    if sides is None:
        return Number(None, int((~np.isnan(values)).sum()))
    found = _placements(values[sides.rows], sides.is_positive)
    area = float(found[sides.is_positive].mean())
    by_row = _limits(area, sides.alone(), found, inflation)
    limits = by_row if groups is None else _hull(by_row, _limits(area, sides, found, inflation))
    low, high = limits or (None, None)
    return Number(area, len(sides.rows), low, high)


def auroc_difference(
    a: Values, b: Values, labels: Sequence[bool], *, groups: Groups | None = None, inflation: float = 1.0
) -> Number:
    """The area of one score minus that of another on the same rows, with its 95 % interval.

    Without an interval where both order all pairs alike, since then nothing tells how far they might differ.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    measured = ~(np.isnan(first) | np.isnan(second))
    sides = _sides(measured, np.asarray(labels, dtype=bool), groups)
    if sides is None:
        return Number(None, int(measured.sum()))
    found = _placements(first[sides.rows], sides.is_positive) - _placements(second[sides.rows], sides.is_positive)
    value = float(found[sides.is_positive].mean())
    variance = max(_variance(sides, found, value), _variance(sides.alone(), found, value))
    if not variance > 0:
        return Number(value, len(sides.rows))
    reach = sides.quantile * (variance * inflation) ** 0.5
    return Number(value, len(sides.rows), max(value - reach, -1.0), min(value + reach, 1.0))


@dataclass(frozen=True)
class _Sides:
    """The rows measured, which of them are positive, and the number of each one's cluster."""

    rows: Ints
    is_positive: NDArray[np.bool_]
    clusters: Ints

    def alone(self) -> _Sides:
        """The same rows, each a cluster of its own."""
        return _Sides(self.rows, self.is_positive, np.arange(len(self.rows)))

    def sizes(self, *, positive: bool) -> Floats:
        """How many rows of one side each cluster has that has any."""
        counts = np.bincount(self.clusters[self.is_positive == positive]).astype(np.float64)
        return counts[counts > 0]

    @property
    def freedom(self) -> float:
        """One less than the effective number of clusters of the side that has fewer: (sum)^2 / sum of squares."""
        both = (self.sizes(positive=True), self.sizes(positive=False))
        return max(min(float(sizes.sum() ** 2 / (sizes**2).sum()) for sizes in both) - 1, 1.0)

    @property
    def quantile(self) -> float:
        """Student's t, which few clusters need."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 1 - TAIL))


def _sides(measured: NDArray[np.bool_], labels: NDArray[np.bool_], groups: Groups | None) -> _Sides | None:
    rows = np.flatnonzero(measured)
    if not labels[rows].any() or labels[rows].all():
        return None
    numbers: dict[object, int] = {}
    keys = (
        rows.tolist() if groups is None else [(row,) if groups[row] is None else groups[row] for row in rows.tolist()]
    )
    clusters = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return _Sides(rows, labels[rows], clusters)


def _placements(values: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """For each row, the share of the other side's rows on whose right side it stands; ties count half."""
    found = np.zeros(len(values))
    for side in (True, False):
        own, others = values[is_positive == side], np.sort(values[is_positive != side])
        below = (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2 * len(others))
        found[is_positive == side] = below if side else 1 - below
    return found


def _variance(sides: _Sides, placements: Floats, area: float) -> float:
    """Obuchowski's variance; DeLong's where each row is a cluster. Not a number with a single cluster on a side."""
    total, parts = 0.0, {}
    for side in (True, False):
        here = sides.is_positive == side
        off = np.where(here, placements - area, 0.0)
        parts[side] = np.bincount(sides.clusters, weights=off) / here.sum()
        clusters = len(sides.sizes(positive=side))
        total += float((parts[side] ** 2).sum()) * clusters / (clusters - 1) if clusters > 1 else np.nan
    every = len(parts[True])
    return total + 2 * float((parts[True] * parts[False]).sum()) * every / (every - 1)


def _limits(area: float, sides: _Sides, placements: Floats, inflation: float) -> Limits:
    variance = inflation * _variance(sides, placements, area)
    if np.isnan(variance):
        return None
    if variance <= 0 or not 0 < area < 1:
        clusters = (len(sides.sizes(positive=side)) / inflation for side in (True, False))
        return _newcombe(area, *clusters)
    centre, reach = np.log(area / (1 - area)), sides.quantile * variance**0.5 / (area * (1 - area))
    return float(1 / (1 + np.exp(reach - centre))), float(1 / (1 + np.exp(-reach - centre)))


def _hull(by_row: Limits, by_cluster: Limits) -> Limits:
    """The wider limits, as an interval by cluster is never narrower than one by row; None with a single cluster."""
    if by_row is None or by_cluster is None:
        return None
    return min(by_row[0], by_cluster[0]), max(by_row[1], by_cluster[1])


def _newcombe(area: float, positives: float, negatives: float) -> tuple[float, float]:
    """The areas on either side that are just as far off as 1.96 of their own standard errors."""
    both = (positives + negatives) / 2 - 1

    def is_outside(guess: float) -> bool:
        spread = 1 + both * (1 - guess) / (2 - guess) + both * guess / (1 + guess)
        return (guess - area) ** 2 > NORMAL**2 * guess * (1 - guess) * spread / (positives * negatives)

    limits = []
    for end in (0.0, 1.0):
        inside, outside = area, end
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if is_outside(middle) else (middle, outside)
        limits.append(inside)
    return limits[0], limits[1]
