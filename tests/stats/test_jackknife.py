"""An interval for numbers that only a whole set of rows has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tunesmith.core.numbers import Number
from tunesmith.stats.intervals import Floats, Ints
from tunesmith.stats.jackknife import jackknife


def test_for_a_mean_it_agrees_with_the_textbook() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    number = jackknife(lambda rows: float(values[rows].mean()), np.arange(2000))
    assert number.value == values.mean()
    assert number.high is not None
    spread = number.high - float(values.mean())
    assert spread == pytest.approx(2.09 * values.std() / np.sqrt(2000), rel=0.35)  # 20 blocks: themselves uncertain


def test_it_covers_the_expected_share_of_distinct_answers() -> None:
    rng = np.random.default_rng(2)
    answers = 300
    expected = 1 - (1 - 1 / answers) ** 500
    covered = 0
    for _ in range(100):
        drawn = rng.integers(answers, size=500)
        number = jackknife(_distinct(drawn), np.arange(500))
        assert number.low is not None
        assert number.high is not None
        covered += number.low <= expected * answers / 500 <= number.high
    assert covered >= 93


def _distinct(drawn: Ints) -> Callable[[Ints], float]:
    return lambda rows: len(set(drawn[rows].tolist())) / len(rows)


def test_clusters_that_differ_widen_the_interval() -> None:
    packages = np.repeat(np.arange(8), 50)
    values: Floats = packages / 8
    number = jackknife(lambda rows: float(values[rows].mean()), np.arange(400))
    by_package = jackknife(lambda rows: float(values[rows].mean()), np.arange(400), groups=packages.tolist())
    assert by_package.low is not None
    assert number.low is not None
    assert by_package.low < number.low - 0.1


def test_blocks_that_make_no_difference_give_no_interval() -> None:
    assert jackknife(lambda rows: 1.0, np.arange(100)) == Number(1.0, 100)
    assert jackknife(lambda rows: 1.0, np.arange(3), groups=["a"] * 3) == Number(1.0, 3)
    assert jackknife(lambda rows: 1.0, np.arange(0)) == Number(None, 0)


def test_only_the_rows_asked_for_are_measured() -> None:
    seen: list[int] = []

    def largest(rows: Ints) -> float:
        seen.extend(rows.tolist())
        return float(rows.max())

    assert jackknife(largest, np.array([3, 5, 8])).value == 8
    assert set(seen) == {3, 5, 8}
