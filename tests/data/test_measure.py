"""Signals on a batch: what they may ask for, what they may give, and that one bad record costs one record."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from tests.data.data_toys import HELLO, HI, batch_of, documents, op

from tunesmith.core.errors import UserError
from tunesmith.data.measure import apply


def test_three_records_go_in_two_come_out_and_one_reason_is_written_down() -> None:
    applied = apply(documents("banana", "", "kiwi"), [op("signal", ".share_of_a")])
    assert applied.batch["text"].to_pylist() == ["banana", "kiwi"]
    assert applied.batch["signal.share_of_a"].to_pylist() == [0.5, 0.0]
    (entry,) = applied.quarantined
    assert entry["error"] == "ZeroDivisionError: division by zero (toy_functions.py, line 19)"
    assert (entry["uri"], entry["line"], entry["step"]) == ("toys.txt", 2, "share_of_a")
    assert json.loads(str(entry["raw"]))["text"] == ""
    assert (applied.dropped, applied.made) == ([], 0)


def test_a_batch_function_that_raises_is_run_again_row_by_row() -> None:
    applied = apply(documents("one", "boom", "three"), [op("signal", ".fragile")])
    assert applied.batch["signal.fragile"].to_pylist() == [3, 5]
    assert [entry["error"] for entry in applied.quarantined] == ["RuntimeError: boom (toy_functions.py, line 37)"]


def test_a_function_that_gives_a_dict_makes_a_column_for_each_key() -> None:
    applied = apply(documents("a few\nwords", "?"), [op("signal", ".shape")])
    assert applied.batch["signal.shape.lines"].to_pylist() == [2, 1]
    assert applied.batch["signal.shape.longest"].to_pylist() == [5, None]


def test_signals_share_the_views_of_a_batch_and_their_types_are_those_declared() -> None:
    ops = [op("signal", "words"), op("signal", ".mean_word"), op("signal", "characters"), op("signal", ".has_meta")]
    batch = apply(documents("two words", ""), ops).batch
    assert batch["signal.words"].to_pylist() == [2, 0]
    assert batch["signal.mean_word"].to_pylist() == [4.0, 0.0]
    kinds = [
        str(batch.schema.field(f"signal.{name}").type) for name in ("words", "mean_word", "characters", "has_meta")
    ]
    assert kinds == ["int64", "double", "int64", "bool"]


def test_a_batch_function_is_called_once_for_all_rows() -> None:
    mean_word = op("signal", ".mean_word")
    calls = mean_word.function.module().calls
    calls.clear()
    apply(documents(*"abcdef"), [mean_word])
    assert calls == ["mean_word"]


def test_a_declared_float_is_one_even_if_every_value_is_whole() -> None:
    batch = apply(documents("aaa"), [op("signal", ".share_of_a")]).batch
    assert batch.schema.field("signal.share_of_a").type == pa.float64()


def test_the_text_that_is_measured_is_the_one_named() -> None:
    chat = batch_of({"messages": [{"role": "system", "content": "be kind"}, HI, HELLO]}, {"messages": [HI]})
    for on, words in {
        None: [4, 1],
        "whole": [4, 1],
        "prompt": [3, 1],
        "answer": [1, None],
        "text": [None, None],
    }.items():
        assert apply(chat, [op("signal", "words", on=on)]).batch["signal.words"].to_pylist() == words  # type: ignore[arg-type]
    pair = batch_of({"messages": [HI], "chosen": "good answer", "rejected": "bad"})
    for on, count in {None: 4, "chosen": 2, "rejected": 1, "prompt": 1, "whole": 4}.items():
        assert apply(pair, [op("signal", "words", on=on)]).batch["signal.words"].to_pylist() == [count]  # type: ignore[arg-type]


def test_documents_and_conversations_in_one_list_are_each_measured_whole() -> None:
    batch = batch_of({"text": "a document of five words"}, {"messages": [HI, HELLO]})
    assert apply(batch, [op("signal", "words")]).batch["signal.words"].to_pylist() == [5, 2]
    assert apply(batch, [op("signal", ".turns")]).batch["signal.turns"].to_pylist() == [None, 2]


def test_what_is_no_measurement_is_quarantined() -> None:
    applied = apply(documents("a", "b"), [op("signal", ".broken")])
    assert applied.batch.num_rows == 0
    assert "a list where a number, true or false, or text belongs" in str(applied.quarantined[0]["error"])


def test_an_error_of_the_recipe_stops_the_run_and_one_of_a_row_does_not() -> None:
    with pytest.raises(UserError, match="picky: wants more"):
        apply(documents("a", "b"), [op("signal", ".picky")])
    with pytest.raises(UserError, match="'\\(' is no pattern"):
        apply(documents("a", "b"), [op("signal", "regex", pattern="(")])


def test_a_function_that_asks_for_what_is_not_there_is_told_what_is() -> None:
    with pytest.raises(UserError, match="asks for 'weather'") as caught:
        apply(documents("a"), [op("signal", ".wants_weather")])
    assert "paragraphs" in caught.value.hint
    with pytest.raises(UserError, match="asks for text, texts"):
        apply(documents("a"), [op("signal", ".both_forms")])


def test_an_empty_batch_passes_through() -> None:
    empty = documents("a").slice(0, 0)
    assert apply(empty, [op("signal", "words"), op("edit", "redact_pii")]).batch == empty


def test_large_batches_measure_as_small_ones_do() -> None:
    texts = [f"{'wörd ' * (number % 7)}{number}" for number in range(300)]
    ops = [op("signal", "words"), op("signal", "characters"), op("signal", ".mean_word"), op("signal", ".shape")]
    whole = apply(documents(*texts), ops).batch
    parts = [apply(documents(*texts).slice(start, 50), ops).batch for start in range(0, 300, 50)]
    assert pa.Table.from_batches(parts).combine_chunks() == pa.Table.from_batches([whole])
    assert np.sum(whole["signal.words"].to_numpy()) == sum(len(text.split()) for text in texts)
