"""95 % intervals for means and paired differences, by row or by cluster of rows that belong together.

The workhorse is the percentile bootstrap over clusters (a row is a cluster of one): clusters are drawn with
replacement, and the estimate is the ratio of the drawn sums to the drawn counts. Its limits are moved outwards by
Student's t over the normal quantile, since the plain percentile interval is too short for few clusters (Hesterberg
2015, arXiv 1411.5279). The degrees of freedom come from the effective number of clusters, (sum of sizes)^2 / sum of
squared sizes: two packages that hold most rows are worth little more than two (Carter, Schnepel and Steigerwald 2017).

Where the bootstrap would lie, something else stands in. 0/1 values by row have Wilson's interval, and differences of
0/1 values that of Bonett and Price (2012): a thousand rows of 1.0 do not prove 1.0. Other values that are all equal
get the exact limit on the share of values never seen, if they lie in 0..1, and else no interval. An interval by
cluster is never narrower than the one by row, so that a model without one failure never looks less certain than a
model with one. Not-a-number is "not measured": such rows count neither in the estimate nor in n.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tunesmith.core.numbers import Number

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Values = Sequence[float] | Floats
Groups = Sequence[object]
Limits = tuple[float, float] | None

RESAMPLES = 2000
TAIL = 0.025  # on either side of a 95 % interval
NORMAL = 1.959963984540054  # the normal distribution's quantile at 1 - TAIL
DRAWS_AT_MOST = 2**23  # resamples x clusters; above it the normal limits agree with the bootstrap's, and cost nothing


def mean(values: Values, *, groups: Groups | None = None, seed: int = 0, resamples: int = RESAMPLES) -> Number:
    """The mean of per-row values with its 95 % interval, by row or, with `groups`, by cluster (None: a row alone)."""
    array = np.asarray(values, dtype=np.float64)
    measured = ~np.isnan(array)
    kept = array[measured]
    bounds = (0.0, 1.0) if _is_share(kept) else None
    by_row = _wilson(kept) if _is_binary(kept) else _by_row(kept, bounds, seed, resamples)
    return _number(kept, by_row, _codes(groups, measured), bounds, seed, resamples)


def paired_difference(
    a: Values, b: Values, *, groups: Groups | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Number:
    """The mean of a - b over the rows where both were measured, with its 95 % interval, by row or by cluster."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    measured = ~(np.isnan(first) | np.isnan(second))
    first, second = first[measured], second[measured]
    bounds = (-1.0, 1.0) if _is_share(first) and _is_share(second) else None
    difference = first - second
    binary = _is_binary(first) and _is_binary(second)
    by_row = _bonett_price(difference) if binary else _by_row(difference, bounds, seed, resamples)
    return _number(difference, by_row, _codes(groups, measured), bounds, seed, resamples)


def _number(values: Floats, by_row: Limits, codes: Ints | None, bounds: Limits, seed: int, resamples: int) -> Number:
    if not len(values):
        return Number(None, 0)
    limits = by_row if codes is None else _by_cluster(values, by_row, codes, seed, resamples)
    low, high = _clipped(limits, bounds) or (None, None)
    return Number(float(values.mean()), len(values), low, high)


def _clipped(limits: Limits, bounds: Limits) -> Limits:
    if limits is None or bounds is None:
        return limits
    return max(limits[0], bounds[0]), min(limits[1], bounds[1])


def _is_share(values: Floats) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _is_binary(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _codes(groups: Groups | None, measured: npt.NDArray[np.bool_]) -> Ints | None:
    """A number from 0 for each measured row's cluster; a row without a group is a cluster of its own."""
    if groups is None:
        return None
    first_seen: dict[object, int] = {}
    keys = ((row,) if groups[row] is None else groups[row] for row in np.flatnonzero(measured).tolist())
    return np.array([first_seen.setdefault(key, len(first_seen)) for key in keys], dtype=np.int64)


def _by_row(values: Floats, bounds: Limits, seed: int, resamples: int) -> Limits:
    if len(values) == 0 or (values == values[0]).all():
        return _never_seen(values, bounds)
    return _bootstrap(values, np.ones(len(values)), seed, resamples)


def _by_cluster(values: Floats, by_row: Limits, codes: Ints, seed: int, resamples: int) -> Limits:
    """The hull of the interval by cluster and the one by row; None with a single cluster, which tells nothing."""
    counts = np.bincount(codes).astype(np.float64)
    if len(counts) < 2 or by_row is None:
        return None
    sums = np.bincount(codes, weights=values).astype(np.float64)
    low, high = _bootstrap(sums, counts, seed, resamples)
    return min(low, by_row[0]), max(high, by_row[1])


def _bootstrap(sums: Floats, counts: Floats, seed: int, resamples: int) -> tuple[float, float]:
    """The widened percentile limits of sum(sums) / sum(counts) over clusters drawn with replacement."""
    estimate = float(sums.sum() / counts.sum())
    if resamples * len(sums) > DRAWS_AT_MOST:
        reach = _t_over_normal(counts) * NORMAL * _standard_error(sums, counts)
        return estimate - reach, estimate + reach
    drawn = _times_drawn(len(sums), resamples, seed)
    # einsum and not BLAS, whose sums depend on the number of threads: the same seed gives the same bytes
    equal = (counts == counts[0]).all()  # then each resample has as many rows as the sample
    estimates = np.einsum("rc,c->r", drawn, sums) / (counts.sum() if equal else np.einsum("rc,c->r", drawn, counts))
    low, high = np.quantile(estimates, [TAIL, 1 - TAIL])
    widened = _t_over_normal(counts)
    return estimate - widened * (estimate - float(low)), estimate + widened * (float(high) - estimate)


@lru_cache(maxsize=4)
def _times_drawn(clusters: int, resamples: int, seed: int) -> npt.NDArray[np.float32]:
    """How often each resample draws each cluster, shape [resamples, clusters]."""
    rng = np.random.default_rng(seed)
    draws = (np.bincount(rng.integers(clusters, size=clusters), minlength=clusters) for _ in range(resamples))
    return np.stack([times.astype(np.float32) for times in draws])


def _standard_error(sums: Floats, counts: Floats) -> float:
    residuals = sums - counts * (sums.sum() / counts.sum())
    return float(np.sqrt((residuals**2).sum()) / counts.sum())


def _t_over_normal(counts: Floats) -> float:
    """How much wider than the percentile bootstrap an interval over clusters of these sizes has to be."""
    from scipy.special import stdtrit

    effective = counts.sum() ** 2 / (counts**2).sum()
    freedom = max(effective - 1, 1.0)
    return float(stdtrit(freedom, 1 - TAIL) / NORMAL * np.sqrt(len(counts) / (len(counts) - 1)))


def _wilson(values: Floats) -> Limits:
    """Wilson's score interval for a share (1927)."""
    if not len(values):
        return None
    n, share = len(values), float(values.mean())
    centre = (share + NORMAL**2 / (2 * n)) / (1 + NORMAL**2 / n)
    reach = NORMAL * float(np.sqrt(share * (1 - share) / n + NORMAL**2 / (4 * n * n))) / (1 + NORMAL**2 / n)
    return centre - reach, centre + reach


def _bonett_price(differences: Floats) -> Limits:
    """The adjusted Wald interval for a difference of paired proportions (Bonett and Price 2012)."""
    if not len(differences):
        return None
    n = len(differences) + 2
    gained, lost = (np.sum(differences > 0) + 1) / n, (np.sum(differences < 0) + 1) / n
    centre = float(gained - lost)
    reach = NORMAL * float(np.sqrt((gained + lost - centre**2) / n))
    return centre - reach, centre + reach


def _never_seen(values: Floats, bounds: Limits) -> Limits:
    """Limits for equal values: other values make up at most this share, and lie at most at the bounds."""
    if not len(values) or bounds is None:
        return None
    share = 1 - TAIL ** (1 / len(values))
    only = float(values[0])
    return only - share * (only - bounds[0]), only + share * (bounds[1] - only)
