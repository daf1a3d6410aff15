"""Every model on the same rows: numbers, slices, and paired differences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tunesmith.core.errors import UserError
from tunesmith.evaluate.compare import Compared, compare
from tunesmith.evaluate.score import Scores, score_with
from tunesmith.stats.intervals import Floats

N = 200
PACKAGES = [f"package {index % 8}" for index in range(N)]


def scores(per_row: Floats) -> Scores:
    return Scores(float(per_row.mean()), len(per_row), per_row=per_row)


def distinct(answers: list[str]) -> Scores:
    return score_with(
        lambda answers: len(set(answers)) / len(answers), {}, answers, [{}] * N, [""] * N, name="distinct"
    )


@pytest.fixture(scope="module")
def compared() -> Compared:
    rng = np.random.default_rng(0)
    before = rng.random(N)
    several = [f"answer {index % 150}" for index in range(N)]
    models = {
        "tuned": {"rouge_l": scores(before + 0.1), "distinct": distinct(several)},
        "before": {"rouge_l": scores(before), "distinct": distinct(["same"] * N), "extra": scores(before)},
    }
    short = {"short": before < 0.5}
    return compare(models, candidates=["tuned"], against=["before", "tuned"], groups=PACKAGES, slices=short)


def test_each_model_has_a_number_for_each_metric_and_slice(compared: Compared) -> None:
    assert set(compared.numbers) == {
        f"{model}/{metric}{where}"
        for model, metrics in {"tuned": ["rouge_l", "distinct"], "before": ["rouge_l", "distinct", "extra"]}.items()
        for metric in metrics
        for where in ("", "@short")
    }
    assert set(compared.numbers_by_group) == set(compared.numbers)
    short = compared.numbers["before/rouge_l@short"]
    assert short.n < N
    assert short.high is not None
    assert short.high < 0.5
    assert compared.numbers["tuned/distinct"].value == 0.75


def test_a_candidate_is_compared_with_every_other_model_by_row_and_by_group(compared: Compared) -> None:
    found = [(one.metric, one.candidate, one.against, one.by) for one in compared.comparisons]
    assert sorted(found) == sorted(
        (f"{metric}{where}", "tuned", "before", by)
        for metric in ("rouge_l", "distinct")
        for where in ("", "@short")
        for by in ("row", "group")
    )


def test_a_paired_difference_does_not_see_what_both_models_share(compared: Compared) -> None:
    difference = next(one.difference for one in compared.comparisons if one.metric == "rouge_l" and one.by == "group")
    assert difference.value == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1)
    assert difference.high == pytest.approx(0.1)


def test_a_number_of_the_whole_set_is_compared_too(compared: Compared) -> None:
    difference = next(one.difference for one in compared.comparisons if one.metric == "distinct" and one.by == "row")
    assert difference.value == pytest.approx(0.745)
    assert difference.low is not None
    assert difference.low > 0.6


def test_a_comparison_can_be_written_to_a_report(compared: Compared) -> None:
    fields = json.loads(json.dumps(compared.comparisons[0].as_json(), allow_nan=False))
    assert set(fields) == {"metric", "candidate", "against", "by", "difference"}
    assert set(fields["difference"]) == {"value", "n", "low", "high"}


def test_without_groups_there_is_nothing_by_group() -> None:
    models = {name: {"f1": scores(np.random.default_rng(1).random(50))} for name in ("a", "b")}
    result = compare(models, candidates=["a"], against=["b"])
    assert result.numbers_by_group == {}
    assert [one.by for one in result.comparisons] == ["row"]


def test_a_slice_of_another_length_is_refused() -> None:
    models = {"a": {"f1": scores(np.ones(5))}}
    with pytest.raises(UserError, match="slice 'formal'"):
        compare(models, candidates=["a"], against=[], slices={"formal": [True] * 4})


def test_the_same_scores_give_the_same_numbers() -> None:
    models = {name: {"f1": scores(np.random.default_rng(seed).random(50))} for seed, name in enumerate("ab")}
    first, second = (compare(models, candidates=["a"], against=["b"], seed=3) for _ in range(2))
    assert first == second
