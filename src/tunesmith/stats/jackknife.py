"""An interval for a number that only a whole set of rows has, such as the share of distinct answers.

The bootstrap would draw the same row twice and so count fewer distinct answers than there are. Leaving out one block
of rows at a time draws nothing twice; its variance errs on the wide side (Efron and Stein 1981). Blocks of unequal
size are weighed as in Busing, Meijer and van der Leeden (1999).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tunesmith.core.numbers import Number
from tunesmith.stats.intervals import TAIL, Floats, Ints

BLOCKS = 20


def jackknife(
    statistic: Callable[[Ints], float], rows: Ints, *, groups: Sequence[object] | None = None, seed: int = 0
) -> Number:
    """The statistic of these rows with its 95 % interval; `groups` (one for each row of the set) stay together.

    Without an interval if there are fewer than two blocks, or if it is all the same which block is left out.
    """
    if not len(rows):
        return Number(None, 0)
    value = statistic(rows)
    if np.isnan(value):
        return Number(None, len(rows))
    blocks = _blocks(rows, groups, seed)
    if len(blocks) < 2:
        return Number(value, len(rows))
    without = np.array([statistic(np.setdiff1d(rows, block, assume_unique=True)) for block in blocks])
    if np.isnan(without).any() or (without == without[0]).all():
        return Number(value, len(rows))
    reach = _reach(value, without, len(rows) / np.array([len(block) for block in blocks]))
    return Number(value, len(rows), value - reach, value + reach)


def _reach(value: float, without: Floats, inverse_share: Floats) -> float:
    from scipy.special import stdtrit

    pseudo = inverse_share * value - (inverse_share - 1) * without
    centre = float((pseudo / inverse_share).sum())
    variance = float(((pseudo - centre) ** 2 / (inverse_share - 1)).mean())
    return float(stdtrit(len(without) - 1, 1 - TAIL) * np.sqrt(variance))


def _blocks(rows: Ints, groups: Sequence[object] | None, seed: int) -> list[Ints]:
    """At most 20 blocks of about equal size, no cluster in two of them."""
    clusters = _clusters(rows, groups)
    order = np.random.default_rng(seed).permutation(len(clusters))
    largest_first = sorted(order, key=lambda cluster: -len(clusters[cluster]))
    blocks: list[list[int]] = [[] for _ in range(min(BLOCKS, len(clusters)))]
    for cluster in largest_first:
        min(blocks, key=len).extend(clusters[cluster])
    return [np.array(block, dtype=np.int64) for block in blocks]


def _clusters(rows: Ints, groups: Sequence[object] | None) -> list[list[int]]:
    if groups is None:
        return [[int(row)] for row in rows]
    clusters: dict[object, list[int]] = {}
    for row in rows:
        key = groups[row]
        clusters.setdefault((int(row),) if key is None else key, []).append(int(row))
    return list(clusters.values())
