"""A reported number carries how many rows stand behind it, and its interval."""

from __future__ import annotations

from tunesmith.core.numbers import Number


def test_a_number_is_shown_with_its_interval_and_n() -> None:
    assert str(Number(0.5, 1200, 0.4, 0.625)) == "0.500 [0.400, 0.625] (n 1,200)"
    assert str(Number(0.5, 1)) == "0.500 (n 1)"
    assert str(Number(None, 0)) == "not measured (n 0)"


def test_a_number_comes_back_from_a_report_as_it_was() -> None:
    for number in (Number(0.5, 12, 0.4, 0.6), Number(None, 0), Number(3, 1)):
        assert Number.from_json(number.as_json()) == number
    assert set(Number(1.0, 1).as_json()) == {"value", "n", "low", "high"}
