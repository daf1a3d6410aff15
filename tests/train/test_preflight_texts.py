"""Documents, and prompts, as they are measured before a training, and the rules that are theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.train.train_toys import chat, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.chat import END_OF_TURN
from tunesmith.train.examined import Examined
from tunesmith.train.noted import question_key
from tunesmith.train.preflight import examine
from tunesmith.train.preflight_numbers import Facts
from tunesmith.train.preflight_rules import TEXTS, decide
from tunesmith.train.preflight_texts import examine_texts
from tunesmith.train.scratch import scratch_tokenizer

TEXT = "The file of number {n} is read before any other file is opened.\nThen it is closed again, every time."
ROWS: list[dict[str, Any]] = [{"id": f"{n:032x}", "text": TEXT.format(n=n)} for n in range(40)]
TOKENIZER = scratch_tokenizer((row["text"] for row in ROWS), vocabulary=400)


def examined(rows: list[dict[str, Any]], **options: Any) -> Examined:
    return examine_texts(TOKENIZER, rows, **{"limit": 16, **options})


def states(found: Examined, **changes: Any) -> dict[str, str]:
    return {one.rule: one.state for one in decide(Facts(found, **{"validation": 9, "test": 9, **changes}), {})}


def test_documents_are_counted_whole_however_small_a_window_is() -> None:
    found = examined(ROWS)
    lengths = [len(TOKENIZER(row["text"], add_special_tokens=False)["input_ids"]) for row in ROWS]
    assert (found.rows, found.tokens, found.longest) == (40, sum(lengths), max(lengths))
    assert found.longest > found.limit
    assert (found.too_long, found.trained, sum(found.histogram["counts"])) == (0, found.tokens, 40)
    assert found.weight == sum(lengths) + 40  # each document has an end token


def test_no_template_is_needed_for_documents() -> None:
    bare = scratch_tokenizer((row["text"] for row in ROWS), vocabulary=400)
    bare.chat_template = None
    assert examine_texts(bare, ROWS, limit=16) == examined(ROWS)


def test_rows_without_text_and_copies_are_counted() -> None:
    found = examined([*ROWS, ROWS[0], {"id": "e" * 32, "text": ""}, {"id": "f" * 32, "text": None}])
    assert (found.unanswered, found.faulty["unanswered"]) == (2, ["e" * 32, "f" * 32])
    assert found.copies == 1
    assert states(found)["trained_tokens"] == "warned"


def test_control_tokens_that_a_document_spells_are_told_but_harmless() -> None:
    found = examined([*ROWS, {"text": f"end it with {END_OF_TURN} there"}])
    assert (found.controlled, found.controls) == (1, {END_OF_TURN: 1})
    [rule] = [one for one in decide(Facts(found), {}) if one.rule == "control_tokens"]
    assert rule.state == "not applicable"
    assert "1 of 41 documents" in rule.why
    assert "learnt as text" in rule.why


def test_a_held_out_document_or_question_is_found_in_text_whole_or_as_a_line() -> None:
    question = chat("Then it is  closed again, every time.", "Yes.")
    held = {
        "test": frozenset({question_key(question), question_key({"text": TEXT.format(n=7).replace("\n", "  ")})}),
        "validation": frozenset({question_key({"text": "The file of number 7"})}),
    }
    found = examined(ROWS, held=held)
    assert found.leaked == {"test": 2, "validation": 0}
    assert states(found)["overlap"] == "refused"
    assert found.faulty["leaked_test"][0] == ROWS[0]["id"]


def test_what_is_replayed_is_looked_through_for_what_is_held_out() -> None:
    held = {"test": frozenset({question_key({"text": "a page of general text"})})}
    assert examined(ROWS, held=held).leaked == {"test": 0}
    found = examined(ROWS, held=held, also=[{"id": "a" * 32, "text": "a page of\ngeneral text"}])
    assert found.leaked == {"test": 1}
    assert found.rows == 40


def test_chats_among_documents_are_their_rendered_text() -> None:
    found = examined([*ROWS, *scratch_rows()])
    assert found.rows == 72
    assert found.copies == 0
    held = {"test": frozenset({question_key(scratch_rows()[0])})}
    assert examined([*ROWS, *scratch_rows()], held=held).leaked == {"test": 1}


def test_rules_about_answers_do_not_apply_to_documents() -> None:
    found = states(examined(ROWS), epochs=4.0, trainer="domain")
    others = ("eos_trained", "pad_is_eos", "template", "truncation", "consistent_format", "examples_least")
    assert {found[name] for name in (*others, "epochs_most", "equal_pairs")} == {"not applicable"}
    assert (found["text_epochs_most"], found["tokens_least"]) == ("passed", "warned")
    assert states(examined(ROWS), epochs=4.1)["text_epochs_most"] == "warned"
    assert states(examined(ROWS), goal="knowledge")["knowledge"] == "refused"


def test_pre_training_a_new_model_is_warned_of_and_going_on_with_one_is_not() -> None:
    small = examined(ROWS)
    assert states(small, trainer="pretrain", scratch=True)["pretraining_sensible"] == "warned"
    assert states(small, trainer="pretrain")["pretraining_sensible"] == "not applicable"
    huge = replace(small, tokens=10_000_000_000)
    [rule] = [
        one for one in decide(Facts(huge, trainer="pretrain", scratch=True), {}) if one.rule == "pretraining_sensible"
    ]
    assert rule.state == "passed"
    assert "unique tokens: 10B or more of the domain (10B)" in rule.why
    assert "(not known)" in rule.why


def test_rules_of_texts_do_not_apply_to_chats() -> None:
    found = examine(TOKENIZER, scratch_rows(), limit=200)
    of_texts = {one.rule: one.state for one in decide(Facts(found), {})}
    for name in ("text_epochs_most", "tokens_least", "pretraining_sensible"):
        assert of_texts[name] == "not applicable"
    assert TEXTS == ("texts",)


def test_prompts_need_no_answer_and_are_held_against_the_room() -> None:
    asked = [{"id": str(n), "messages": row["messages"][:1]} for n, row in enumerate(scratch_rows())]
    found = examine(TOKENIZER, [*asked, asked[0]], limit=200, learns="prompts")
    assert (found.unanswered, found.unstopped, found.trained, found.copies) == (0, 0, 0, 1)
    answered = examine(TOKENIZER, [*scratch_rows(), scratch_rows()[0]], limit=200, learns="prompts")
    assert (answered.tokens, answered.longest) == (found.tokens, found.longest)  # an answer is no part of the prompt
    assert examine(TOKENIZER, asked, limit=5, learns="prompts").too_long == 32
    rules = {one.rule: one.state for one in decide(Facts(found, validation=5), {})}
    assert rules["trained_tokens"] == rules["eos_trained"] == rules["epochs_most"] == "not applicable"


def test_documents_that_are_not_there_are_a_mistake() -> None:
    with pytest.raises(UserError, match="no rows to examine"):
        examined([])
