"""Pictures show where numbers lie, and bounds where they cut."""

from __future__ import annotations

import pytest

from tunesmith.core.numbers import Number
from tunesmith.web.draw import histogram, place, scale_of, ticks, whisker


def test_a_whisker_reaches_from_the_low_to_the_high_limit() -> None:
    drawn = whisker(Number(0.5, 100, 0.25, 0.75), (0.0, 1.0), bounds=[0.9])
    assert 'x1="25.0%" x2="75.0%"' in drawn
    assert 'cx="50.0%"' in drawn
    assert 'x1="90.0%" x2="90.0%" y1="1" y2="17" class="bound"' in drawn


def test_a_number_without_interval_is_a_point_alone() -> None:
    drawn = whisker(Number(0.5, 3), (0.0, 1.0))
    assert "reach" not in drawn
    assert "<circle" in drawn


def test_values_off_the_scale_stay_on_its_edge() -> None:
    assert [place(value, (0.0, 1.0)) for value in (-5.0, 0.5, 5.0)] == [0.0, 50.0, 100.0]


def test_bars_beyond_a_bound_are_drawn_as_dropped() -> None:
    drawn = histogram([0, 1, 2, 3, 4], [5, 5, 5, 5], {"min": 1, "max": 2}, alt="words, n 20")
    assert drawn.count('class="dropped"') == 2  # 0 to 1, and 3 to 4; the bar that starts at the inclusive max is kept
    assert "min 1" in drawn


@pytest.mark.parametrize(
    ("values", "marks"),
    [([0.0, 1.0], [0.0, 0.5, 1.0]), ([0.0, 1200.0], [0.0, 500.0, 1000.0]), ([], [0.0, 0.5, 1.0])],
)
def test_ticks_are_round_numbers(values: list[float | None], marks: list[float]) -> None:
    assert ticks(scale_of(values, pad=0), about=3) == marks


@pytest.mark.parametrize("values", [[2.0], [0.0, 0.0], [None], [-1e-9, -1e-9]])
def test_a_scale_always_has_some_length(values: list[float | None]) -> None:
    low, high = scale_of(values, pad=0)
    assert low < high
    assert ticks((low, high))
