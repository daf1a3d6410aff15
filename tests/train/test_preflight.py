"""Rows as they are measured before a training, and the rules that read the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.train.train_toys import chat, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.chat import END_OF_TURN, PAD
from tunesmith.train.examined import Examined
from tunesmith.train.noted import question_key
from tunesmith.train.preflight import examine
from tunesmith.train.preflight_numbers import Facts
from tunesmith.train.preflight_rules import RULES, decide, rule_names
from tunesmith.train.scratch import scratch_tokenizer
from tunesmith.train.start import texts_of

ROWS = [{**row, "id": f"{n:032x}"} for n, row in enumerate(scratch_rows())]
TOKENIZER = scratch_tokenizer(texts_of(ROWS), vocabulary=400)


def examined(rows: list[dict[str, Any]], **options: Any) -> Examined:
    return examine(TOKENIZER, rows, **{"limit": 100, **options})


def facts(rows: Examined | None = None, **changes: Any) -> Facts:
    """Facts with which no rule warns."""
    whole = replace(rows or examined(ROWS), **({} if rows else {"rows": 2000, "traits": {}}))
    usual: Mapping[str, Any] = {
        "epochs": 2.0,
        "validation": 100,
        "tuned": (True, "its name"),
        "test": 50,
        "near": (0, 50),
    }
    return Facts(whole, **{**usual, **changes})


def states(given: Facts, waived: Mapping[str, str] | None = None) -> dict[str, str]:
    return {result.rule: result.state for result in decide(given, waived or {})}


def test_rows_are_counted_by_their_tokens_and_by_what_is_learnt_of_them() -> None:
    found = examined(ROWS)
    assert (found.rows, found.unanswered, found.unstopped, found.copies, found.pairs) == (32, 0, 0, 0, 0)
    assert 0 < found.trained < found.tokens
    assert sum(found.histogram["counts"]) == 32
    assert found.quantiles["p50"] <= found.quantiles["p95"] <= found.longest
    assert (found.eos, found.pad, found.stops, found.last) == (END_OF_TURN, PAD, [END_OF_TURN], END_OF_TURN)
    assert (found.compared, found.unequal_prompts) == (32, 0)


def test_rows_that_would_be_left_out_are_counted_and_shown() -> None:
    none = {"id": "f" * 32, "messages": [{"role": "user", "content": "only a question"}]}
    long = {"id": "e" * 32, **chat("a long question", "A long answer. " * 20)}
    found = examined([*ROWS, none, long], limit=50)
    assert (found.too_long, found.faulty["too_long"]) == (1, ["e" * 32])
    assert found.left_out == [{"id": "e" * 32, "tokens": found.longest, "text": "a long question"}]
    assert (found.unanswered, found.faulty["unanswered"]) == (1, ["f" * 32])


def test_the_examples_are_the_whole_text_and_the_same_whatever_the_order_of_rows() -> None:
    found = examined(ROWS, seed=3)
    assert found.examples == examined(ROWS[::-1], seed=3).examples
    assert found.examples != examined(ROWS, seed=4).examples
    assert len(found.examples) == 10
    for example in found.examples:
        row = ROWS[int(str(example["id"]), 16)]
        spans = [(str(text), learnt) for text, learnt in example["spans"]]  # type: ignore[attr-defined]  # pairs
        assert [text for text, learnt in spans if learnt] == [row["messages"][1]["content"] + END_OF_TURN]
        assert row["messages"][0]["content"] in "".join(text for text, _ in spans)


def test_texts_that_people_see_are_cleaned_first() -> None:
    found = examined(ROWS, clean=lambda text: text.replace("config", "[gone]"), limit=3)
    told = f"{found.examples}{found.left_out}"
    assert "[gone]" in told
    assert "config" not in told


def test_control_tokens_are_looked_for_in_prompts_and_stop_tokens_in_answers() -> None:
    rows = [chat("say <|pad|>", "No."), chat("say it", f"Yes.{END_OF_TURN} More."), chat("say it", "<|pad|>")]
    found = examined(rows)
    assert found.controlled == 2
    assert found.controls == {END_OF_TURN: 1, PAD: 1}


def test_copies_are_rows_with_the_same_prompt_and_answer() -> None:
    found = examined([*ROWS, ROWS[0], ROWS[0], chat("load_config", "Another answer.")])
    assert found.copies == 2


def test_pairs_are_rendered_on_both_sides_and_only_the_last_turn_is_learnt() -> None:
    pairs = pair_rows()
    pairs[0]["rejected"] = pairs[0]["chosen"]
    found = examined(pairs, learns="pairs")
    assert (found.pairs, found.equal_pairs, found.unstopped) == (32, 1, 0)
    assert found.longer_chosen == 0
    single = examined(pairs)
    assert single.pairs == 0
    assert found.tokens > single.tokens


def test_a_question_is_the_same_whatever_its_white_space_and_its_answer() -> None:
    keys = {question_key(chat("what  is\nit", "a")), question_key(chat("what is it", "b"))}
    assert len(keys) == 1
    assert question_key(chat("What is it", "a")) not in keys
    held = {"test": frozenset(keys), "validation": frozenset({1})}
    assert examined([*ROWS, chat("what is it ", "c")], held=held).leaked == {"test": 1, "validation": 0}


def test_a_part_without_rows_to_examine_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no rows to examine"):
        examined([])


def test_no_rule_speaks_where_nothing_is_wrong() -> None:
    assert set(states(facts()).values()) <= {"passed", "not applicable"}


@pytest.mark.parametrize(
    ("changes", "rule", "state"),
    [
        ({"goal": "knowledge"}, "knowledge", "refused"),
        ({"validation": 0}, "validation_set", "refused"),
        ({"epochs": 3.5}, "epochs_most", "warned"),
        ({"epochs": None}, "epochs_most", "not applicable"),
        ({"tuned": (False, "nothing says so")}, "instruction_tuned", "warned"),
        ({"tuned": None}, "instruction_tuned", "not applicable"),
        ({"near": (5, 50)}, "near_overlap", "warned"),
        ({"near": None}, "near_overlap", "not applicable"),
        ({"template_faults": ("base: two templates",)}, "template", "refused"),
        ({"whole": False}, "examples_least", "not applicable"),
    ],
)
def test_a_rule_speaks_of_its_own_number(changes: dict[str, Any], rule: str, state: str) -> None:
    assert states(facts(**changes))[rule] == state


@pytest.mark.parametrize(
    ("changes", "rule", "state"),
    [
        ({"rows": 99}, "examples_least", "refused"),
        ({"rows": 100}, "examples_least", "warned"),
        ({"rows": 999}, "examples_least", "warned"),
        ({"rows": 1000}, "examples_least", "passed"),
        ({"copies": 100}, "duplicates", "warned"),  # of 2,000: 5 %
        ({"copies": 101}, "duplicates", "refused"),
        ({"copies": 20}, "duplicates", "passed"),
        ({"too_long": 1}, "truncation", "warned"),
        ({"too_long": 101}, "truncation", "refused"),
        ({"unanswered": 1}, "trained_tokens", "warned"),
        ({"unstopped": 1}, "eos_trained", "refused"),
        ({"controlled": 1}, "control_tokens", "refused"),
        ({"unequal_prompts": 1}, "template", "refused"),
        ({"pad": END_OF_TURN}, "pad_is_eos", "refused"),
        ({"pad": None}, "pad_is_eos", "refused"),
        ({"leaked": {"test": 1}}, "overlap", "refused"),
        ({"leaked": {}}, "overlap", "not applicable"),
        ({"leaked": {"validation": 1}}, "validation_overlap", "warned"),
        ({"learns": "pairs", "pairs": 10, "longer_chosen": 1700}, "longer_chosen", "warned"),
        ({"learns": "pairs", "pairs": 2000, "equal_pairs": 101}, "equal_pairs", "refused"),
        ({"traits": {"a system turn": 100}}, "consistent_format", "warned"),
        ({"traits": {"a system turn": 2000}}, "consistent_format", "passed"),
        ({"traits": {"an answer that ends like a sentence": 900}}, "consistent_format", "passed"),
        ({"traits": {"an answer that ends like a sentence": 1900}}, "consistent_format", "warned"),
    ],
)
def test_the_bounds_are_where_they_are_said_to_be(changes: dict[str, Any], rule: str, state: str) -> None:
    given = facts()
    assert states(replace(given, rows=replace(given.rows, **changes)))[rule] == state


def test_a_waiver_covers_warnings_and_refusals_and_is_not_needed_where_a_rule_holds() -> None:
    waived = {"knowledge": "we know", "validation_set": "never mind"}
    [result] = [one for one in decide(facts(goal="knowledge"), waived) if one.rule == "knowledge"]
    assert (result.state, result.why) == ("waived", "we know (the goal is knowledge)")
    assert states(facts(), waived)["validation_set"] == "passed"


def test_every_rule_has_a_name_of_its_own_a_reason_a_remedy_and_a_bound() -> None:
    assert len(set(rule_names())) == len(RULES)
    for rule in RULES:
        assert rule.reason.endswith(".")
        assert rule.mend.endswith(".")
        assert rule.warn or rule.refuse
