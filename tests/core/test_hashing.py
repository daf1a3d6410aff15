"""Equal values have equal names, whatever order they were written in."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.hashing import canonical_json, file_sha256, hash128, key_of, sha256, unit_interval

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=6), st.randoms())
def test_the_order_of_keys_changes_nothing(value: dict[str, object], random: object) -> None:
    names = list(value)
    random.shuffle(names)  # type: ignore[attr-defined]  # a random.Random
    assert canonical_json({name: value[name] for name in names}) == canonical_json(value)


@given(VALUES)
def test_canonical_json_says_again_what_it_says(value: object) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_the_same_parameter_with_and_without_a_point(number: int) -> None:
    assert canonical_json({"epochs": float(number)}) == canonical_json({"epochs": number})
    assert key_of(float(number)) == key_of(number)


def test_what_is_not_equal_has_another_name() -> None:
    values = [1, True, "1", 1.5, None, [], {}, [1], {"a": 1}, {"a": [1]}, "", float("inf")]
    assert len({canonical_json(value) for value in values}) == len(values)


def test_letters_of_all_scripts_stay_as_they_are() -> None:
    assert canonical_json({"b": "ß", "a": "日本"}) == '{"a":"日本","b":"ß"}'


def test_sets_and_paths_have_an_order_and_a_form() -> None:
    assert canonical_json({"x", "a"}) == '["a","x"]'
    assert canonical_json(Path("a") / "b") == '"a/b"'


def test_the_key_of_a_step_is_twenty_hexadecimal_digits() -> None:
    assert key_of({"step": "split", "seed": 7}) == key_of({"seed": 7.0, "step": "split"})
    assert len(key_of({})) == 20
    assert key_of({}) == sha256("{}")[:20]


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_parts_never_run_together(one: list[str], other: list[str]) -> None:
    assert (hash128(one) == hash128(other)) == (one == other)
    assert hash128([part.encode() for part in one]) == hash128(one)


@given(st.text(max_size=8))
def test_a_draw_from_a_hash_is_a_share_and_always_the_same(text: str) -> None:
    assert 0 <= unit_interval([text]) < 1
    assert unit_interval([text]) == unit_interval([text])


def test_draws_are_spread_evenly() -> None:
    draws = [unit_interval(["7", str(number)]) for number in range(4000)]
    tenths = [sum(tenth / 10 <= draw < (tenth + 1) / 10 for draw in draws) for tenth in range(10)]
    assert min(tenths) > 330
    assert max(tenths) < 470


def test_a_file_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"\xff" * 3_000_000)  # more than one chunk
    assert file_sha256(path) == sha256(b"\xff" * 3_000_000)
