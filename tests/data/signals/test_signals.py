"""The first signals, and that each one's examples run."""

from __future__ import annotations

import doctest
from importlib import import_module

import pyarrow as pa
import pytest

from tunesmith.core import registry
from tunesmith.core.errors import UserError
from tunesmith.data.signals.characters import characters
from tunesmith.data.signals.regex import regex

OF_A_MODEL = {"causal_perplexity", "classifier", "likelihood"}  # whose tests make the models that they need


@pytest.mark.parametrize("name", sorted({*registry.names("signal")} - OF_A_MODEL))
def test_a_signal_ships_with_three_examples_that_hold(name: str) -> None:
    module = import_module(f"tunesmith.data.signals.{name}")
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried >= 3


def test_characters_are_code_points_not_bytes() -> None:
    assert characters(pa.array(["日本", "a\n", "👍🏽"])).to_pylist() == [2, 2, 2]


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "[z-a]"])
def test_a_pattern_that_is_none_is_a_mistake_of_the_recipe(pattern: str) -> None:
    with pytest.raises(UserError, match="is no pattern"):
        regex(pa.array(["text"]), pattern=pattern)


def test_a_pattern_that_would_take_for_ever_elsewhere_is_counted_at_once() -> None:
    assert regex(pa.array(["a" * 50_000]), pattern="(a+)+$").to_pylist() == [1]
    assert regex(pa.array(["a" * 50_000]), pattern="(a|a)*b").to_pylist() == [0]
