"""The area under the ROC curve and its interval: worked by hand, beside another implementation, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tunesmith.core.numbers import Number
from tunesmith.stats.auroc import auroc, auroc_difference


def limits(number: Number) -> tuple[float, float]:
    assert number.low is not None
    assert number.high is not None
    return number.low, number.high


def test_it_is_the_share_of_pairs_in_the_right_order_and_ties_count_half() -> None:
    """Positives 3 and 1, negatives 2, 1 and 0: of six pairs 3 beats three, 1 beats one and ties one: 4.5 of 6."""
    number = auroc([3, 1, 2, 1, 0], [True, True, False, False, False])
    assert number.value == 0.75
    assert number.n == 5


def test_the_variance_is_delongs_worked_by_hand() -> None:
    """Positives 4, 2; negatives 3, 1: the placements are 1 and 1/2 on both sides, so each has a variance of 1/8.

    The variance of the area is 1/8 / 2 + 1/8 / 2 = 1/8; the limits are taken on the scale of logits, where the area's
    3/4 is log 3 and its deviation sqrt(1/8) / (3/4 x 1/4); Student's t of one degree of freedom is 12.706.
    """
    low, high = limits(auroc([4, 2, 3, 1], [True, True, False, False]))
    reach = 12.7062 * math.sqrt(1 / 8) / (3 / 16)
    assert low == pytest.approx(1 / (1 + math.exp(reach - math.log(3))), rel=1e-3)
    assert high == pytest.approx(1 / (1 + math.exp(-reach - math.log(3))), rel=1e-6)


def test_the_area_is_scikit_learns_and_mirrored_for_the_mirrored_score() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.4
    scores = np.round(rng.normal(size=300) + labels, 1)
    number = auroc(scores, labels.tolist())
    assert number.value == pytest.approx(roc_auc_score(labels, scores))
    low, high = limits(number)
    assert limits(auroc(-scores, labels.tolist())) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("shift", "sizes"), [(0.0, (60, 60)), (1.0, (30, 90)), (2.0, (50, 50))])
def test_the_interval_covers_the_truth_in_19_of_20_draws(shift: float, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    truth = 0.5 * (1 + math.erf(shift / 2))
    labels = [True] * sizes[0] + [False] * sizes[1]
    covered = 0
    for _ in range(400):
        low, high = limits(auroc(np.r_[rng.normal(shift, 1, sizes[0]), rng.normal(0, 1, sizes[1])], labels))
        covered += low <= truth <= high
    assert covered >= 369  # 380 are expected; 369 is 2.5 standard errors below


def test_rows_that_belong_together_widen_the_interval_and_clusters_of_one_do_not() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([True, False], 200).tolist()
    scores = np.repeat(rng.normal(size=40), 10) + np.repeat([0.5, 0.0], 200)
    low, high = limits(auroc(scores, labels))
    low_by_author, high_by_author = limits(auroc(scores, labels, groups=np.repeat(np.arange(40), 10).tolist()))
    assert high_by_author - low_by_author > 2 * (high - low)
    assert limits(auroc(scores, labels, groups=[None] * 400)) == (low, high)


def test_clusters_cover_the_truth_where_rows_alone_do_not() -> None:
    rng = np.random.default_rng(2)
    labels, authors = np.tile([True, True, False, False], 30).tolist(), np.repeat(np.arange(60), 2).tolist()
    by_row = by_author = 0
    for _ in range(200):
        scores = np.repeat(rng.normal(size=60), 2) + rng.normal(0, 0.1, 120)
        by_row += limits(auroc(scores, labels))[0] <= 0.5 <= limits(auroc(scores, labels))[1]
        low, high = limits(auroc(scores, labels, groups=authors))
        by_author += low <= 0.5 <= high
    assert by_author >= 183
    assert by_row < 180


def test_perfect_order_does_not_prove_perfection() -> None:
    """Newcombe's limit solves (1 - A)^2 = 1.96^2 A (1 - A) (1 + 9 (1 - A) / (2 - A) + 9 A / (1 + A)) / 100."""
    labels = [True] * 10 + [False] * 10
    low, high = limits(auroc([2.0] * 10 + [1.0] * 10, labels))
    spread = low * (1 - low) * (1 + 9 * (1 - low) / (2 - low) + 9 * low / (1 + low)) / 100
    assert (1 - low) == pytest.approx(1.959964 * math.sqrt(spread), rel=1e-6)
    assert high == 1.0
    assert 0.7 < low < 0.9


def test_scores_that_are_all_equal_tell_nothing_and_say_so() -> None:
    number = auroc([1.0] * 40, [True] * 20 + [False] * 20)
    assert number.value == 0.5
    low, high = limits(number)
    assert low < 0.4 < 0.6 < high


def test_without_two_sides_nothing_is_measured_and_what_is_not_a_number_does_not_count() -> None:
    assert auroc([1.0, 2.0], [True, True]) == Number(None, 2)
    assert auroc([], []) == Number(None, 0)
    assert auroc([1.0, math.nan, 0.0, 3.0], [True, True, False, False]).n == 3
    assert auroc([1.0, 0.0, 3.0], [True, False, False], groups=["a", "b", "c"]).low is None


def test_judgements_that_were_learnt_have_a_wider_interval() -> None:
    rng = np.random.default_rng(6)
    labels = [True, False] * 50
    low, high = limits(auroc(rng.random(100), labels))
    rng = np.random.default_rng(6)
    wide = limits(auroc(rng.random(100), labels, inflation=2.25))
    assert wide[1] - wide[0] == pytest.approx(1.5 * (high - low), rel=0.05)


def test_a_difference_of_two_scores_on_the_same_rows_is_surer_than_either() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([True, False], 150)
    score = rng.normal(size=300) + 0.7 * labels
    better = score + 0.1 * labels
    number = auroc_difference(better, score, labels.tolist())
    low, high = limits(number)
    own = limits(auroc(score, labels.tolist()))
    assert number.value == pytest.approx(roc_auc_score(labels, better) - roc_auc_score(labels, score))
    assert 0 < low < high < own[1] - own[0]
    assert auroc_difference(score, 2 * score, labels.tolist()) == Number(0.0, 300)
