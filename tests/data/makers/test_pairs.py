"""Preference pairs from conversations."""

from __future__ import annotations

from collections.abc import Mapping

from tests.data.data_toys import HELLO, HI, batch_of, op

from tunesmith.data.makers.pairs import pairs
from tunesmith.data.measure import apply

SYSTEM = {"role": "system", "content": "Be kind."}


def test_a_pair_holds_the_prompt_and_both_answers() -> None:
    (pair,) = pairs({"messages": [SYSTEM, HI, HELLO], "meta": {"a": 1}}, by=lambda _: "Hello!")
    assert pair["messages"] == [SYSTEM, HI]
    assert pair["chosen"] == [{"role": "assistant", "content": "Hello!"}]
    assert pair["rejected"] == [HELLO]
    assert (pair["target"], pair["meta"]) == ("Hello!", {"a": 1})


def test_no_pair_is_made_of_nothing_or_of_the_same_answer() -> None:
    record: Mapping[str, object] = {"messages": [HI, HELLO]}
    assert list(pairs(record, by=lambda _: None)) == []
    assert list(pairs(record, by=lambda _: "hello")) == []


def test_every_conversation_is_accounted_for() -> None:
    batch = batch_of(
        {"messages": [HI, HELLO], "group": "g"},
        {"messages": [HI, {"role": "assistant", "content": "Fine."}]},
        {"messages": [HI]},
    )
    applied = apply(batch, [op("make", "pairs", by="./toy_functions.py:better")])
    assert applied.made == 1
    assert [why for _, _, why in applied.dropped] == ["became 1 record", "nothing made"]
    assert "ends with the assistant's answer" in str(applied.quarantined[0]["error"])
    row = applied.batch.to_pylist()[0]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"], row["group"]) == ("Hello.", "hello", "g")
    assert row["parents"] == [batch["id"][0].as_py()]
