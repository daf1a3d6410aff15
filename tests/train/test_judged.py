"""What is found of a reward model on held-out pairs: known values, and what is warned of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tunesmith.train.judged import Found, Judged, calibration, found_of, length_bias

NONE = {"equal": 0, "contradictory": 0, "cyclic": 0}


def judged(
    margins: Sequence[float], lengths: Sequence[tuple[float, float]], groups: Sequence[object] | None = None
) -> Judged:
    rewards = np.stack([np.asarray(margins, float), np.zeros(len(margins))], axis=1)
    return Judged(rewards, np.asarray(lengths, float), groups or list(range(len(margins))))


def found(one: Judged) -> tuple[dict[str, Any], tuple[str, ...]]:
    return found_of(one, NONE)  # type: ignore[return-value]  # a mapping of any


def test_accuracy_counts_ties_half_and_says_how_many_there_are() -> None:
    facts, _ = found(judged([1, 2, 0, -1], [(2, 1)] * 4))
    assert (facts["accuracy"]["value"], facts["ties"], facts["margin"]) == (0.625, 1, 0.5)


def test_intervals_are_by_group_and_never_narrower_than_by_row() -> None:
    margins, lengths = [1.0] * 60 + [-1.0] * 20, [(1, 1)] * 80
    alone, together = (
        found(judged(margins, lengths, groups))[0]["accuracy"] for groups in (None, [n // 10 for n in range(80)])
    )
    assert alone["low"] > together["low"]
    assert alone["value"] == together["value"] == 0.75


def test_the_calibration_error_of_a_sure_and_a_fair_model() -> None:
    def error(of: Found) -> float:
        return float(str(of["error"]))

    sure = math.log(9)  # sigmoid 0.9
    assert error(calibration(np.array([sure] * 9 + [-sure]))) == pytest.approx(0.0)
    assert error(calibration(np.array([sure] * 5 + [-sure] * 5))) == pytest.approx(0.4)
    bins = calibration(np.array([sure, 0.0]))["bins"]
    assert [(one["from"], one["n"]) for one in bins] == [(0.5, 1), (0.8, 1)]  # type: ignore[attr-defined]  # a list


def test_a_model_that_counts_words_is_found_out() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(5, 50, (400, 2)).astype(float)
    lengths[:100] = np.sort(lengths[:100], axis=1)  # in these the shorter answer is chosen
    lengths[100:] = -np.sort(-lengths[100:], axis=1)
    facts, warnings = found(judged((lengths[:, 0] - lengths[:, 1]).tolist(), lengths.tolist()))
    length = facts["length"]
    assert length["rule"] == "longer"
    assert length["by_rule"]["value"] == facts["accuracy"]["value"]
    assert length["correlation"] == pytest.approx(1.0)
    assert length["chosen_shorter"]["value"] < 0.1 < 0.9 < length["chosen_longer"]["value"]
    assert "no better than the rule that the longer answer wins" in facts["verdict"]
    assert [warning[:30] for warning in warnings] == [
        "the reward model does no bette",
        "where the chosen answer is the",
    ]


def test_a_model_beyond_length_is_not_warned_of() -> None:
    lengths = [(10, 20), (20, 10), (10, 10.5)] * 100
    facts, warnings = found(judged([1.0] * 290 + [-1.0] * 10, lengths))
    assert warnings == ()
    assert facts["length"]["gain"]["low"] > 0.2
    assert facts["length"]["matched"]["n"] == 100


def test_where_the_shorter_answer_is_the_better_the_rule_is_turned() -> None:
    length = length_bias(judged([1.0] * 40, [(5, 9)] * 30 + [(9, 5)] * 10))
    assert length["rule"] == "shorter"
    assert length["by_rule"]["value"] == 0.75  # type: ignore[index]


def test_a_model_at_chance_is_warned_of_loudly_and_one_without_pairs_too() -> None:
    facts, warnings = found(judged([1.0, -1.0] * 50, [(1, 2)] * 100))
    assert "no better than chance" in facts["verdict"]
    assert "Do not optimise it." in warnings[0]
    facts, warnings = found(judged([], np.zeros((0, 2)).tolist()))
    assert facts["pairs"] == 0
    assert "no held-out pairs" in warnings[0]
