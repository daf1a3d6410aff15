"""Numbers as people read them."""

from __future__ import annotations

import pytest

from tunesmith.web.read import score_key
from tunesmith.web.words import balance, decimal, duration, missing, rule


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.99, "1 min 00 s"), (125.0, "2 min 05 s"), (11_520.0, "3 h 12 min")],
)
def test_durations_are_told_in_their_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "text"), [(0.98, "0.980"), (-0.5, "−0.500"), (12.345, "12.35"), (1234.5, "1,234"), (None, "not measured")]
)
def test_decimals_follow_the_size_of_the_number(value: float | None, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"rule": "min", "bound": 0.95}, "at least 0.95"),
        ({"rule": "gain", "bound": 0, "against": "before"}, "better than before"),
        ({"rule": "gain", "bound": 0.02, "against": "base"}, "better than base by more than 0.020"),
        (
            {"rule": "non_inferior", "bound": 0.015, "against": None},
            "not worse than the strongest arm by more than 0.015",
        ),
    ],
)
def test_rules_of_the_gate_are_said_in_words(check: dict[str, object], words: str) -> None:
    assert rule(check) == words


def test_records_add_up_in_the_sentence_and_in_the_count() -> None:
    counts = {"in": 10, "made": 5, "kept": 12, "dropped": {"a": 1, "b": 1}, "quarantined": 1}
    assert balance(counts) == "10 in + 5 made = 12 kept + 2 dropped + 1 quarantined"
    assert missing(counts) == 0


def test_a_key_names_arm_metric_and_slice() -> None:
    assert score_key("tuned/style@leaked") == ("tuned", "style", "leaked")
    assert score_key("org/model/style") == ("org/model", "style", "")
