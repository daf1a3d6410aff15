"""Edits and makers on a batch: which columns they reach, and where each record went."""

from __future__ import annotations

import json

import pytest
from tests.data.data_toys import HELLO, HI, batch_of, documents, op

from tunesmith.core.errors import UserError
from tunesmith.core.record import COLUMNS
from tunesmith.data.measure import apply

EVERYWHERE = {"text": "ab", "target": "cd", "messages": [HI, HELLO], "chosen": "ef", "rejected": "gh", "note": "ij"}


@pytest.mark.parametrize(("edit", "expected"), [(".upper", str.upper), (".reverse", lambda text: text[::-1])])
def test_an_edit_of_text_reaches_every_text_column(edit: str, expected: object) -> None:
    assert callable(expected)
    batch = batch_of(EVERYWHERE, {"text": "only"})
    changed = apply(batch, [op("edit", edit)]).batch
    row, other = changed.to_pylist()
    assert (row["text"], row["target"]) == (expected("ab"), expected("cd"))
    assert [turn["content"] for turn in row["messages"]] == [expected("hi"), expected("hello")]
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == (expected("ef"), expected("gh"))
    assert json.loads(row["meta"]) == {"note": "ij"}
    assert (other["text"], other["target"], other["messages"]) == (expected("only"), None, None)
    assert changed.schema == batch.schema


def test_an_edit_that_raises_costs_its_record() -> None:
    applied = apply(documents("a", "b\0", "c"), [op("edit", ".upper")])
    assert applied.batch["text"].to_pylist() == ["A", "C"]
    assert [entry["line"] for entry in applied.quarantined] == [2]


def test_an_edit_of_a_record_changes_the_columns_it_names_and_no_others() -> None:
    changed = apply(documents("long text", "abc"), [op("edit", ".tag")]).batch
    assert changed["group"].to_pylist() == ["l", "a"]
    assert [json.loads(meta) for meta in changed["meta"].to_pylist()] == [{"long": True}, {"long": False}]
    assert changed["text"].to_pylist() == ["long text", "abc"]


def test_an_edit_cannot_change_where_a_record_comes_from() -> None:
    with pytest.raises(UserError, match="an edit cannot change 'id'"):
        apply(documents("a"), [op("edit", ".rename_id")])


def test_an_edit_that_asks_for_something_else_is_told_so() -> None:
    with pytest.raises(UserError, match="an edit asks for text, texts or record, not messages"):
        apply(documents("a"), [op("edit", ".turns")])


def test_a_maker_accounts_for_every_record_it_takes_and_gives() -> None:
    batch = documents("abcdef", "ab", "")
    applied = apply(batch, [op("make", ".halves")])
    ids = batch["id"].to_pylist()
    assert applied.batch["text"].to_pylist() == ["abc", "def", "ab"]
    assert applied.dropped == [(ids[0], "halves", "became 2 records"), (ids[2], "halves", "nothing made")]
    assert batch.num_rows + applied.made == applied.batch.num_rows + len(applied.dropped)


def test_a_made_record_keeps_its_parent_and_where_that_came_from() -> None:
    batch = documents("abcdef", "ab")
    made, _, unchanged = apply(batch, [op("signal", "words"), op("make", ".halves")]).batch.to_pylist()
    parent = batch.to_pylist()[0]
    assert made["parents"] == [parent["id"]]
    assert made["id"] not in batch["id"].to_pylist()
    assert all(made[name] == parent[name] for name in ("source", "domain", "license", "origin"))
    assert json.loads(made["meta"]) == {"half": 1}
    assert (made["signal.words"], unchanged["signal.words"]) == (None, 1)
    assert unchanged["parents"] is None


def test_a_function_in_a_makers_parameters_is_loaded_from_its_file() -> None:
    copies = op("make", ".copies", how="./toy_functions.py:shouted")
    applied = apply(documents("one", "two"), [copies])
    assert applied.batch["text"].to_pylist() == ["one", "ONE!", "two", "TWO!"]
    assert (applied.dropped, applied.made) == ([], 2)
    assert applied.batch["id"].to_pylist() == apply(documents("one", "two"), [copies]).batch["id"].to_pylist()


def test_operations_run_in_the_order_they_stand() -> None:
    ops = [
        op("signal", "words"),
        op("edit", "to_chat", user="Say {text}"),
        op("edit", ".upper"),
        op("signal", ".turns"),
    ]
    row = apply(documents("two words"), ops).batch.to_pylist()[0]
    assert (row["signal.words"], row["signal.turns"]) == (2, 2)
    assert [turn["content"] for turn in row["messages"]] == ["SAY TWO WORDS", "TWO WORDS"]
    assert row["target"] == "TWO WORDS"
    assert set(row) - {"signal.words", "signal.turns"} <= set(COLUMNS)
