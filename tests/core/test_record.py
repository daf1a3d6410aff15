"""A record's id is its source, its key and its ordinal among equals; its columns have one schema."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.record import COLUMNS, kind_of, record_id, schema_of


@given(st.text(max_size=5), st.text(max_size=5), st.integers(0, 3))
def test_an_id_is_thirty_two_digits_and_the_same_each_time(source: str, key: str, ordinal: int) -> None:
    given_id = record_id(source, key, ordinal)
    assert given_id == record_id(source, key.encode(), ordinal)
    assert len(given_id) == 32
    assert int(given_id, 16) >= 0


def test_source_key_and_ordinal_each_make_another_id() -> None:
    ids = {record_id(source, key, n) for source in ("a", "ab") for key in ("b", "bb", "") for n in range(3)}
    assert len(ids) == 18


def test_a_schema_has_the_houses_order_whatever_was_asked_first() -> None:
    assert schema_of(["meta", "text", "id"]).names == ["id", "text", "meta"]
    assert schema_of(["id"]).field("id").type == pa.string()
    assert schema_of(COLUMNS).names == list(COLUMNS)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (["id", "text"], "document"),
        (["id", "messages"], "conversation"),
        (["id", "messages", "chosen", "rejected"], "pair"),
        (["chosen"], "document"),
    ],
)
def test_the_columns_say_what_kind_of_record_it_is(columns: list[str], kind: str) -> None:
    assert kind_of(columns) == kind
