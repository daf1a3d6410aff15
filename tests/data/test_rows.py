"""Rows of a source become a batch; what does not fit is quarantined, and nothing is lost."""

from __future__ import annotations

import json

import numba
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.record import COLUMNS
from tunesmith.data.rows import columnar_batch, to_batch

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["text", "messages", "target", "chosen", "rejected", "tools", "group", "license", "line", "date"]
)


def test_three_rows_go_in_and_two_come_out_with_one_reason() -> None:
    rows = [{"text": "one", "uri": "a.jsonl", "line": 1}, {"text": 2, "uri": "a.jsonl", "line": 2}, {"text": "three"}]
    batch, quarantined = to_batch(rows, source="notes", domain="support", license="MIT")
    assert batch["text"].to_pylist() == ["one", "three"]
    assert batch["domain"].to_pylist() == ["support", "support"]
    assert quarantined == [
        {"uri": "a.jsonl", "line": 2, "offset": None, "error": "text is int 2, not text", "raw": '{"text":2}'}
    ]


def test_columns_have_the_schemas_types_and_unused_ones_are_absent() -> None:
    rows = [{"text": "a", "group": 7, "license": "MIT", "line": 1, "stars": 5, "meta": {"tags": ["x"]}}]
    batch, _ = to_batch(rows, source="notes")
    assert batch.schema.names == ["id", "text", "source", "group", "license", "origin", "meta"]
    assert all(field.type == COLUMNS[field.name] for field in batch.schema)
    assert batch["group"].to_pylist() == ["7"]
    assert json.loads(batch["meta"][0].as_py()) == {"stars": 5, "tags": ["x"]}


def test_a_row_with_its_own_key_keeps_its_id_when_its_text_changes() -> None:
    first, _ = to_batch([{"text": "old", "key": "7"}], source="notes")
    second, _ = to_batch([{"text": "new", "key": "7"}], source="notes")
    elsewhere, _ = to_batch([{"text": "old", "key": "7"}], source="others")
    assert first["id"] == second["id"]
    assert first["id"] != elsewhere["id"]


def test_a_row_without_key_is_known_by_its_content_and_not_by_its_place() -> None:
    first, _ = to_batch([{"text": "same", "line": 1, "uri": "a"}], source="notes")
    moved, _ = to_batch([{"text": "new above it"}, {"text": "same", "line": 2, "uri": "b"}], source="notes")
    assert moved["id"][1] == first["id"][0]


def test_conversations_and_pairs_take_the_forms_that_are_in_use() -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]
    rows = [{"messages": turns, "tools": [{"name": "f"}]}, {"messages": turns, "chosen": "yes", "rejected": "no"}]
    batch, quarantined = to_batch(rows, source="chats")
    assert quarantined == []
    assert batch["messages"][0].as_py()[1]["tool_calls"] == '[{"id":1}]'
    assert batch["tools"].to_pylist() == ['[{"name":"f"}]', None]
    assert batch["chosen"][1].as_py()[0]["content"] == "yes"


def test_a_conversation_that_is_none_says_where_it_goes_wrong() -> None:
    rows = [
        {"messages": "hello"},
        {"messages": [{"content": "no role"}]},
        {"messages": [{"role": "user", "content": ["a", "list"]}]},
    ]
    _, quarantined = to_batch(rows, source="chats")
    assert [entry["error"] for entry in quarantined] == [
        "messages is str 'hello', not a list of messages",
        "messages[0] is dict {'content': 'no role'}, not a message with role and content",
        "messages[0].content is list ['a', 'list'], not text",
    ]


def test_half_a_character_is_quarantined_wherever_it_stands() -> None:
    rows = [{"text": "bad \ud800"}, {"text": "good", "note": "bad \udfff"}, {"text": "good"}]
    batch, quarantined = to_batch(rows, source="notes")
    assert batch["text"].to_pylist() == ["good"]
    assert len(quarantined) == 2


def test_what_a_source_could_not_read_stays_as_the_source_told_it() -> None:
    entry = {"uri": "a", "line": 3, "offset": 9, "error": "cut", "raw": b"\xff"}
    batch, quarantined = to_batch([{"quarantine": entry}], source="notes")
    assert batch.num_rows == 0
    assert quarantined == [entry]


def test_a_meta_that_would_hide_a_value_stays_whole() -> None:
    batch, _ = to_batch([{"text": "a", "stars": 1, "meta": {"stars": 2}}, {"text": "b", "meta": "x"}], source="notes")
    assert [json.loads(meta) for meta in batch["meta"].to_pylist()] == [
        {"stars": 1, "meta": {"stars": 2}},
        {"meta": "x"},
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(NAMES | st.text(max_size=3), VALUES, max_size=4), max_size=5))
def test_whatever_a_row_holds_it_is_kept_or_quarantined(rows: list[dict[str, object]]) -> None:
    batch, quarantined = to_batch(rows, source="anything")
    assert batch.num_rows + len(quarantined) == len(rows)
    assert isinstance(pa.Table.from_batches([batch]), pa.Table)


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {"text": TEXTS, "license": st.none() | st.sampled_from(["MIT", ""]), "meta": st.none() | st.just('{"n":1}')}
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("large", [1, 1 << 40])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
def test_a_batch_of_a_fast_reader_becomes_what_its_rows_become(
    large: int, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]]
) -> None:
    assert numba  # compiled code is used once it is loaded
    monkeypatch.setattr("tunesmith.data.rows.LARGE_BYTES", large)
    place = {"uri": "a.jsonl", "line": 1, "offset": 0}
    kinds = dict.fromkeys(("text", "license", "meta", "uri"), pa.string()) | dict.fromkeys(
        ("line", "offset"), pa.int64()
    )
    schema = pa.schema(kinds)
    batch = pa.RecordBatch.from_pylist([{**row, **place} for row in rows], schema)
    by_row = [{**row, **place, "meta": json.loads(str(row["meta"])) if row["meta"] else None} for row in rows]
    for license in (None, "CC0-1.0"):
        fast, _ = columnar_batch(batch, source="s", domain="d", license=license)
        slow, _ = to_batch(by_row, source="s", domain="d", license=license)
        assert fast.to_pylist() == [{name: row.get(name) for name in fast.schema.names} for row in slow.to_pylist()]
        assert [field for field in fast.schema if field.name in slow.schema.names] == list(slow.schema)


def test_rows_of_a_batch_that_are_not_utf8_are_quarantined_with_their_bytes() -> None:
    text = pa.array([b"good", b"bad \xff", b"good too"], pa.binary()).view(pa.string())
    batch = pa.RecordBatch.from_pydict({"text": text, "uri": ["a"] * 3, "line": [1, 2, 3]})
    rows, quarantined = columnar_batch(batch, source="s")
    assert rows["text"].to_pylist() == ["good", "good too"]
    assert quarantined == [{"uri": "a", "line": 2, "offset": None, "error": "text is not UTF-8", "raw": b"bad \xff"}]


def test_a_batch_with_keys_and_conversations_has_the_ids_of_its_rows() -> None:
    turns = [{"role": "user", "content": "hi", "name": None, "tool_calls": None, "weight": None}]
    keyed = pa.RecordBatch.from_pydict({"text": ["a", "b"], "key": ["7", "8"]})
    chats = pa.RecordBatch.from_pydict({"messages": pa.array([turns, turns], COLUMNS["messages"])})
    for batch, rows in ((keyed, keyed.to_pylist()), (chats, [{"messages": turns}] * 2)):
        fast, slow = columnar_batch(batch, source="s")[0], to_batch(rows, source="s")[0]
        assert fast["id"].to_pylist() == slow["id"].to_pylist()


def test_a_batch_of_which_no_row_can_be_read_is_empty() -> None:
    text = pa.array([b"\xff"], pa.binary()).view(pa.string())
    rows, quarantined = columnar_batch(pa.RecordBatch.from_pydict({"text": text}), source="s")
    assert (rows.num_rows, rows.schema.names, len(quarantined)) == (0, ["id"], 1)
