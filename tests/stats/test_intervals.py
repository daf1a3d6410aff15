"""Intervals hold what they promise: checked against scipy, by hand, and by drawing many samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from tunesmith.core.numbers import Number
from tunesmith.stats import intervals
from tunesmith.stats.intervals import mean, paired_difference


def limits(number: Number) -> tuple[float, float]:
    assert number.low is not None
    assert number.high is not None
    return number.low, number.high


def test_a_thousand_rows_without_a_failure_do_not_prove_that_there_is_none() -> None:
    number = mean([1.0] * 1000)
    assert number.value == 1.0
    assert limits(number) == pytest.approx((0.9962, 1.0), abs=1e-4)
    assert mean([0.0] * 1000).high == pytest.approx(0.0038, abs=1e-4)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 7), (97, 100), (20, 20), (1, 1)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert limits(mean([1.0] * right + [0.0] * (n - right))) == pytest.approx((expected.low, expected.high))


def test_the_bootstrap_agrees_with_scipys() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=300)
    expected = bootstrap((values,), np.mean, method="percentile", random_state=1).confidence_interval
    assert limits(mean(values)) == pytest.approx((expected.low, expected.high), rel=0.015)


def test_the_limits_for_many_rows_agree_with_the_bootstraps(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(3000)
    drawn = limits(mean(values))
    monkeypatch.setattr(intervals, "DRAWS_AT_MOST", 0)
    assert limits(mean(values)) == pytest.approx(drawn, abs=0.0007)


def test_equal_lengths_of_answers_have_no_interval_and_equal_scores_have_one() -> None:
    assert mean([7.0] * 50) == Number(7.0, 50)
    assert limits(mean([0.5] * 100)) == pytest.approx((0.4819, 0.5181), abs=1e-3)


def test_the_same_seed_gives_the_same_limits_and_another_seed_others() -> None:
    values = np.random.default_rng(3).random(200)
    assert mean(values, seed=1) == mean(values, seed=1)
    assert mean(values, seed=1) != mean(values, seed=2)


def test_what_was_not_measured_counts_neither_in_the_mean_nor_in_n() -> None:
    assert mean([1.0, math.nan, 0.0, math.nan]).n == 2
    assert mean([1.0, math.nan, 0.0]).value == 0.5
    assert mean([math.nan]) == Number(None, 0)
    assert paired_difference([1.0, math.nan, 1.0], [0.0, 0.0, math.nan]).n == 1


def test_rows_that_belong_together_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(0).random(20), 50)
    packages = np.repeat(np.arange(20), 50).tolist()
    by_row, by_package = limits(mean(values)), limits(mean(values, groups=packages))
    assert by_package[1] - by_package[0] > 5 * (by_row[1] - by_row[0])


def test_an_interval_by_cluster_is_never_narrower_than_the_one_by_row() -> None:
    values = np.tile([0.0, 0.25, 0.75, 1.0], 10)  # every cluster has the same mean, so clusters alone tell no spread
    packages = np.repeat(np.arange(10), 4).tolist()
    assert limits(mean(values, groups=packages)) == limits(mean(values))
    assert mean([1.0] * 40, groups=packages).low == mean([1.0] * 40).low


def test_a_failure_more_never_makes_the_lower_limit_by_cluster_higher() -> None:
    packages = np.repeat(np.arange(10), 30).tolist()
    lows = [mean([0.0] * failures + [1.0] * (300 - failures), groups=packages).low for failures in range(6)]
    assert lows == sorted(lows, key=lambda low: -(low or 0))


def test_a_single_cluster_has_no_interval() -> None:
    assert mean([0.1, 0.5, 0.9], groups=["pandas"] * 3) == Number(0.5, 3)


def test_rows_without_a_group_are_clusters_of_their_own() -> None:
    values = np.random.default_rng(5).random(80)
    assert mean(values, groups=[None] * 80) == mean(values)


@pytest.mark.parametrize("sizes", [[100] * 5, [25] * 40, [400, 315, *[7] * 38, 10, 9]])
def test_the_interval_by_cluster_covers_the_truth_in_19_of_20_draws(sizes: list[int]) -> None:
    rng = np.random.default_rng(11)
    packages = np.repeat(np.arange(len(sizes)), sizes)
    covered = 0
    for _ in range(200):
        values = rng.normal(size=len(sizes))[packages] * 0.5 + rng.normal(size=len(packages))
        low, high = limits(mean(values, groups=packages.tolist(), resamples=400))
        covered += low <= 0 <= high
    assert covered >= 183  # 190 are expected; 183 is 2.3 standard errors below


def test_a_paired_difference_is_far_surer_than_two_intervals_side_by_side() -> None:
    rng = np.random.default_rng(0)
    before = rng.random(400)
    after = before + rng.normal(0.02, 0.01, size=400)
    low, high = limits(paired_difference(after, before))
    assert 0.018 < low < high < 0.022
    assert limits(mean(after))[0] < limits(mean(before))[1]


def test_equal_answers_leave_room_for_a_difference_not_seen() -> None:
    low, high = limits(paired_difference([1.0, 0.0] * 500, [1.0, 0.0] * 500))
    assert (low, high) == pytest.approx((-0.0028, 0.0028), abs=1e-4)
    low, high = limits(paired_difference([0.3] * 1000, [0.3] * 1000))
    assert (low, high) == pytest.approx((-0.0037, 0.0037), abs=1e-4)
    assert paired_difference([5.0] * 10, [3.0] * 10) == Number(2.0, 10)


def test_paired_shares_have_the_interval_of_bonett_and_price() -> None:
    """Worked by hand for 14 gained and 4 lost of 60: 10/62 and reach 1.96 x sqrt((15/62 + 5/62 - (10/62)^2) / 62)."""
    after = [1.0] * 14 + [0.0] * 4 + [1.0] * 42
    before = [0.0] * 14 + [1.0] * 4 + [1.0] * 42
    number = paired_difference(after, before)
    assert number.value == pytest.approx(10 / 60)
    assert limits(number) == pytest.approx((0.02574, 0.29684), abs=1e-4)


def test_the_difference_of_a_and_b_is_the_mirror_of_b_and_a() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 2, 100).astype(float), rng.integers(0, 2, 100).astype(float)
    low, high = limits(paired_difference(a, b))
    assert limits(paired_difference(b, a)) == pytest.approx((-high, -low))
