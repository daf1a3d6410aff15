"""The gate passes, refuses or cannot tell, and says why in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tunesmith.core.numbers import Number
from tunesmith.evaluate.check_gate import check_gate
from tunesmith.evaluate.compare import By, Comparison
from tunesmith.evaluate.gate import Verdict, decide

NUMBERS = {
    "tuned/style": Number(0.98, 1000, 0.97, 0.99),
    "tuned/rouge_l": Number(0.23, 1000, 0.22, 0.24),
    "tuned/latency": Number(0.4, 1000, 0.3, 0.5),
    "tuned/rouge_l@short": Number(0.30, 400, 0.28, 0.32),
    "before/style": Number(0.78, 1000, 0.75, 0.81),
    "before/rouge_l": Number(0.235, 1000, 0.225, 0.245),
    "before/latency": Number(0.9, 1000, 0.8, 1.0),
    "constant/style": Number(1.0, 1000, 0.996, 1.0),
    "constant/rouge_l": Number(0.10, 1000, 0.09, 0.11),
    "constant/latency": Number(0.1, 1000, 0.1, 0.1),
}


def against(other: str, metric: str, value: float, low: float | None, high: float | None, by: By = "row") -> Comparison:
    return Comparison(metric, "tuned", other, by, Number(value, 1000, low, high))


COMPARISONS = [
    against("before", "style", 0.20, 0.17, 0.22),
    against("before", "style", 0.20, 0.15, 0.28, "group"),
    against("constant", "style", -0.02, -0.03, -0.01),
    against("before", "rouge_l", -0.005, -0.011, 0.001),
    against("before", "rouge_l", -0.005, -0.018, 0.009, "group"),
    against("constant", "rouge_l", 0.13, 0.12, 0.14),
    against("before", "latency", -0.5, -0.6, -0.4),
    against("constant", "latency", 0.3, 0.2, 0.4),
]


def verdict(gate: Mapping[str, Mapping[str, object]], *, lower: frozenset[str] = frozenset()) -> Verdict:
    return decide("tuned", gate, numbers=NUMBERS, comparisons=COMPARISONS, lower_is_better=lower)


def state(rules: Mapping[str, object], metric: str = "style") -> str:
    return verdict({metric: rules}).state


def test_min_and_max_look_at_the_value_alone() -> None:
    assert state({"min": 0.98}) == "passed"
    assert state({"min": 0.981}) == "failed"
    assert state({"max": 0.98}) == "passed"
    assert state({"max": 0.97}) == "failed"
    [check] = verdict({"style": {"min": 0.99}}).checks
    assert check.why == "style is 0.98; it has to be at least 0.99."
    assert (check.value, check.low, check.high) == (0.98, 0.97, 0.99)


def test_a_near_miss_is_shown_with_the_digits_that_tell() -> None:
    result = decide("m", {"style": {"min": 0.95}}, numbers={"m/style": Number(0.949996, 9)}, comparisons=[])
    assert (result.state, result.checks[0].why) == ("failed", "style is 0.949996; it has to be at least 0.95.")


def test_a_gain_needs_its_whole_interval_above_the_bound() -> None:
    assert state({"gain": {"above": 0.1, "to": "before"}}) == "passed"
    assert state({"gain": {"above": 0.15, "to": "before"}}) == "undecidable"
    assert state({"gain": {"above": 0.28, "to": "before"}}) == "failed"


def test_non_inferiority_needs_its_whole_interval_above_the_margin() -> None:
    assert state({"non_inferior": 0.02, "to": "before"}, "rouge_l") == "passed"
    assert state({"non_inferior": 0.015, "to": "before"}, "rouge_l") == "undecidable"
    assert state({"non_inferior": 0.005, "to": "constant"}) == "failed"


def test_the_interval_by_group_decides_where_there_is_one() -> None:
    [check] = verdict({"style": {"gain": {"above": 0.16}, "to": "before"}}).checks
    assert (check.by, check.low, check.state) == ("group", 0.15, "undecidable")


def test_the_strongest_model_is_the_one_to_beat_unless_another_is_named() -> None:
    [check] = verdict({"style": {"gain": {"above": 0}}}).checks
    assert (check.against, check.state) == ("constant", "failed")
    [check] = verdict({"rouge_l": {"non_inferior": 0.02}}).checks
    assert (check.against, check.state) == ("before", "passed")


def test_where_lower_is_better_a_lower_value_is_a_gain_and_the_lowest_is_the_strongest() -> None:
    lower = frozenset({"latency"})
    [check] = verdict({"latency": {"gain": {"above": 0.3, "to": "before"}}}, lower=lower).checks
    assert check.state == "passed"
    [check] = verdict({"latency": {"non_inferior": 0.1}}, lower=lower).checks
    assert (check.against, check.state) == ("constant", "failed")
    assert "lower is better" in check.why


def test_a_bound_may_be_set_on_a_slice() -> None:
    assert state({"min": 0.25}, "rouge_l@short") == "passed"
    assert state({"min": 0.25}, "rouge_l@long") == "undecidable"


def test_what_was_not_measured_or_compared_cannot_be_decided() -> None:
    [check] = verdict({"toxicity": {"max": 0.01}}).checks
    assert (check.state, check.why) == ("undecidable", "toxicity was not measured.")
    [check] = verdict({"style": {"gain": {"above": 0, "to": "rag"}}}).checks
    assert (check.state, check.why) == ("undecidable", "style was not compared with rag.")
    no_interval = [against("before", "style", 0.2, None, None)]
    result = decide("tuned", {"style": {"gain": {"above": 0}}}, numbers=NUMBERS, comparisons=no_interval)
    assert result.state == "undecidable"
    assert result.checks[0].why == "style has no interval against before with 1,000 rows."


def test_one_failure_fails_and_all_must_pass_to_pass() -> None:
    unsure = {"above": 0.15, "to": "before"}
    assert state({"min": 0.9, "gain": unsure}) == "undecidable"
    assert state({"min": 0.99, "gain": unsure}) == "failed"
    assert verdict({"style": {"min": 0.9}, "rouge_l": {"min": 0.2}}).state == "passed"


def test_a_verdict_reads_as_sentences_and_as_json() -> None:
    result = verdict({"style": {"gain": {"above": 0, "to": "before"}}, "rouge_l": {"non_inferior": 0.015}})
    assert [check.why for check in result.checks] == [
        "style is 0.2 higher than that of before (95 % interval by group 0.15 to 0.28): "
        "the interval shows a gain above 0.",
        "rouge_l is 0.005 lower than that of before (95 % interval by group -0.018 to 0.009): "
        "the interval does not rule out a loss of 0.015 or more.",
    ]
    fields = json.loads(json.dumps(result.as_json()))
    assert fields["state"] == "undecidable"
    assert set(fields["checks"][0]) >= {"metric", "rule", "bound", "value", "low", "high", "against", "state", "why"}


METRICS, ARMS = ["style", "rouge_l"], ["base", "untrained"]


@pytest.mark.parametrize(
    ("gate", "problem", "hint"),
    [
        ({"stile": {"min": 0.9}}, "'stile' is not among the metrics", "'style'"),
        ({"style": {"mn": 0.9, "max": 1}}, "no rule is called 'mn'", "'min'"),
        ({"style": {"min": "0.9"}}, "evaluate.gate.style.min: '0.9' is not a number", "quotes"),
        ({"style": {"min": True}}, "True is not a number", ""),
        ({"style": {"gain": 0.05}}, "gain: 0.05 is not a mapping", "above"),
        ({"style": {"gain": {"to": "base"}}}, "how much better is missing", "above"),
        ({"style": {"gain": {"above": 0, "against": "base"}}}, "'against' is not known", ""),
        ({"style": {"gain": {"above": 0, "to": "bass"}}}, "'bass' is not among the models", "'base'"),
        ({"style": {"non_inferior": 0.1, "to": "untraind"}}, "'untraind' is not among", "'untrained'"),
        ({"style": {"non_inferior": -0.1}}, "-0.1 is below 0", "still accepted"),
        ({"style": {"min": 0.1, "to": "base"}}, "nothing to compare", "gain"),
        ({"style": {}}, "sets no bound", ""),
        ({"style": 0.9}, "bounds are a mapping", ""),
        ([], "a gate maps metrics to bounds", ""),
    ],
)
def test_a_mistake_in_a_gate_is_found_before_any_work(gate: object, problem: str, hint: str) -> None:
    [mistake] = check_gate(gate, METRICS, ARMS)
    assert problem in mistake.problem
    assert hint in mistake.hint


def test_all_mistakes_of_a_gate_are_shown_at_once() -> None:
    assert len(check_gate({"stile": {"mn": 1, "min": "x"}, "style": {"gain": 1}}, METRICS, ARMS)) == 4


def test_a_gate_in_the_grammar_of_the_design_is_right() -> None:
    gate = {
        "style": {"min": 0.9, "gain": {"above": 0.05, "to": "base"}},
        "rouge_l": {"non_inferior": 0.01, "to": "untrained"},
        "rouge_l@short": {"max": 1},
    }
    assert check_gate(gate, METRICS, ARMS) == []


def test_a_comparison_without_a_model_to_compare_with_is_a_mistake() -> None:
    [mistake] = check_gate({"style": {"non_inferior": 0.01}}, METRICS, [])
    assert "no model to compare with" in mistake.problem
