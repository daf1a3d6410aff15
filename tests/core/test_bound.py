"""A number and a bound: what passes, and why the rest does not, in words with the number."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import UserError
from tunesmith.data.verdicts import failing


@pytest.mark.parametrize(
    ("given", "passes", "fails", "why"),
    [
        ({"min": 20}, 20, 12, "12 < min 20"),
        ({"max": 20}, 20, 21, "21 > max 20"),
        ({"above": 0.5}, 0.51, 0.5, "0.5 <= above 0.5"),
        ({"below": 0.5}, 0.49, 0.5, "0.5 >= below 0.5"),
        ({"min": 1, "max": 3}, 2, 4, "4 > max 3"),
        ({"allow": ["en", "de"]}, "de", "fr", "'fr' not in allow [en, de]"),
        ({"deny": ["en"]}, "de", "en", "'en' in deny [en]"),
        ({"allow": [True]}, True, False, "False not in allow [True]"),
        ({"max": 0.3}, 0.1, 1 / 3, "0.333333 > max 0.3"),
    ],
)
def test_a_bound_says_why_a_value_fails(
    given: dict[str, object], passes: float | str, fails: float | str, why: str
) -> None:
    bound = parse_bound(given, "here")
    assert bound.fault(passes) is None
    assert bound.fault(fails) == why


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_was_not_measured_fails_unless_it_may_stay(missing: float | None) -> None:
    assert Bound(min=1).fault(missing) == "not measured"
    assert Bound(min=1, missing="keep").fault(missing) is None
    assert Bound(allow=("en",)).fault(missing) == "not measured"


def test_quantiles_are_named_until_they_are_pinned() -> None:
    bound = parse_bound({"min": 2, "max": "p90"}, "here")
    assert bound.quantiles == ("p90",)
    pinned = bound.pinned({"p90": 40.0})
    assert pinned == Bound(min=2, max=40.0)
    assert pinned.fault(41) == "41 > max 40"
    with pytest.raises(ValueError, match="p90 was not pinned"):
        bound.fault(41)


def test_a_bound_is_written_as_it_stands_in_a_recipe() -> None:
    bound = parse_bound({"min": 2, "deny": ["x"], "missing": "keep"}, "here")
    assert bound.as_json() == {"min": 2, "deny": ["x"], "missing": "keep"}
    assert str(parse_bound({"min": 2, "allow": ["en", "de"]}, "here")) == "min 2, allow [en, de]"
    assert parse_bound(bound.as_json(), "here") == bound


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (20, "data[1].keep: a bound is a mapping, not 20."),
        ({}, "data[1].keep: this bound sets no limit."),
        ({"missing": "keep"}, "data[1].keep: this bound sets no limit."),
        ({"mni": 3}, "data[1].keep: no bound is called 'mni'."),
        ({"min": "20"}, "data[1].keep: min: '20' is neither a number nor a quantile."),
        ({"min": "p101"}, "data[1].keep: min: 'p101' is neither a number nor a quantile."),
        ({"min": True}, "data[1].keep: min: True is neither a number nor a quantile."),
        ({"min": math.nan}, "data[1].keep: min: nan is neither a number nor a quantile."),
        ({"allow": "en"}, "data[1].keep: allow: 'en' is not a list."),
        ({"min": 1, "missing": "maybe"}, "data[1].keep: missing: 'maybe' is neither drop nor keep."),
    ],
)
def test_a_bound_that_is_none_is_refused_with_a_remedy(given: object, said: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_bound(given, "data[1].keep")
    assert raised.value.problem == said
    assert raised.value.hint


def test_text_meets_no_number() -> None:
    with pytest.raises(UserError, match=r"'min 3' was set on 'en', which is text"):
        Bound(min=3).fault("en")


LIMITS = st.none() | st.integers(-5, 5) | st.floats(-5, 5)
NUMBERS = st.lists(st.none() | st.integers(-6, 6).map(float) | st.floats(-6, 6) | st.just(math.nan), max_size=12)


@given(LIMITS, LIMITS, LIMITS, LIMITS, st.sampled_from(["drop", "keep"]), NUMBERS)
def test_a_column_is_judged_as_each_of_its_values_is(
    least: float | None, most: float | None, above: float | None, below: float | None, missing: str, values: list[float]
) -> None:
    bound = Bound(min=least, max=most, above=above, below=below, missing=missing)  # type: ignore[arg-type]  # a literal
    column = pa.chunked_array([pa.array(values, pa.float64())])
    assert failing(column, bound).tolist() == [bound.fault(value) is not None for value in values]
