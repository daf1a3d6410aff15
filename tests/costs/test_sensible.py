"""When pre-training is sensible."""

from __future__ import annotations

import pytest

from tunesmith.costs.sensible import sensible


def test_nothing_known_is_unknown_and_almost_never_sensible() -> None:
    sense = sensible()
    assert {each.state for each in sense.conditions} == {"unknown"}
    assert sense.advice.startswith("Almost never sensible")
    assert all(each.source for each in sense.conditions)


@pytest.mark.parametrize(
    ("known", "advice"),
    [
        ({"unique_tokens": 1e9}, "Do not pre-train: there are too few unique tokens"),
        ({"unique_tokens": 1e11, "own_architecture": False}, "Do not pre-train: an open model will do"),
        ({"unique_tokens": 1e11, "money": 1e9, "months": 8.0}, "Almost never sensible"),
        ({"unique_tokens": 1e11, "own_architecture": True, "money": 1e5, "months": 0.5}, "Sensible for a small model"),
        ({"unique_tokens": 1e13, "own_architecture": True, "money": 2e8, "months": 7.0}, "Sensible as far as"),
    ],
)
def test_advice_follows_from_what_is_known(known: dict[str, float], advice: str) -> None:
    assert sensible(**known).advice.startswith(advice)  # type: ignore[arg-type]


def test_the_bounds_themselves_are_met() -> None:
    states = [each.state for each in sensible(unique_tokens=1e10, money=1e8, months=6.0).conditions]
    assert states == ["unknown", "met", "met", "met"]
