"""Every metric is worth its name: the target scores 1, an empty answer 0, and known texts what the field says."""

from __future__ import annotations

import string
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tunesmith.core.registry import Named, names
from tunesmith.evaluate.metrics.distinct import distinct
from tunesmith.evaluate.metrics.f1 import f1
from tunesmith.evaluate.metrics.json_valid import json_valid
from tunesmith.evaluate.metrics.rouge_l import common_length, rouge_l
from tunesmith.evaluate.metrics.slot_f1 import slot_f1
from tunesmith.evaluate.score import score

TARGETS = [
    "Return the index of the first non-missing value.",
    "Load the config file.",
    "card_arrival",
    "Check whether two dtypes are equal, and raise ValueError otherwise.",
]
REAL = [
    ("Check if the given dtype is equal to the same dtype.", "Check if two dtypes are equal."),
    ("Rewrite a warning message.", "Rewrite the message of a warning."),
    ("Return the first index of the given frame.", "Return index for first non-missing value.."),
    ("Draw a network.", "Draw edge labels."),
    ("Finalize the columns of a list.", "Ensure we have valid columns.."),
    ("Test whether file exists.", "Check if the file exists."),
    ("Bloses a single-kos.", "compat with BlockManager (_blknos)"),
    ("", "Load the config."),
    ("It's a café at 3.14 o'clock", "It is a cafe at 3:14"),
    ("the the the the", "the cat the mat"),
]


@pytest.mark.parametrize("metric", ["exact_match", "accuracy", "f1", "rouge_l"])
def test_the_target_scores_one_and_an_empty_answer_nothing(metric: str) -> None:
    rows = [{"id": str(index)} for index in range(len(TARGETS))]
    assert score(Named("metric", metric), {}, TARGETS, rows, TARGETS).value == 1.0
    assert score(Named("metric", metric), {}, [""] * len(TARGETS), rows, TARGETS).value == 0.0


CALLS = [
    '{"intent": "play", "slots": {"artist": ["miles davis"], "year": "1959"}}',
    '{"slots": {"city": ["Paris", "Rome"]}}',
]


@pytest.mark.parametrize("metric", ["slot_f1", "json_valid"])
def test_a_target_that_is_a_call_scores_one_and_an_empty_answer_nothing(metric: str) -> None:
    assert score(Named("metric", metric), {}, CALLS, [{}, {}], CALLS).value == 1.0
    assert score(Named("metric", metric), {}, ["", ""], [{}, {}], CALLS).value == 0.0


def test_slots_are_counted_over_all_rows_together() -> None:
    answers = ['{"slots": {"artist": "miles", "year": ["1959"]}}', '{"slots": {"city": ["Rome", "Oslo", "Paris"]}}']
    scores = score(Named("metric", "slot_f1"), {}, answers, [{}, {}], CALLS)
    # 3 right (1959, Rome, Paris) of 5 given and 4 expected; the mean of the rows' own F1 would be (1/2 + 4/5) / 2
    assert scores.value == pytest.approx(2 * 3 / (5 + 4))
    assert scores.n == 2
    assert scores.of_rows is not None  # an interval by leaving out rows
    assert scores.of_rows(np.array([1])) == pytest.approx(4 / 5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"slots": {"a": ["1", "1"]}}', 0.8),  # one of two equal ones is missing
        ('{"slots": {"a": ["1", "1", "1"]}}', 1.0),
        ('{"slots": {"a": [1, 1, 1]}}', 0.0),  # a number is no text
        ('{"slots": ["a", "1"]}', 0.0),
        ('["slots"]', 0.0),
        ('{"slots": {"a": ["1", "1", "1"]}', 0.0),  # cut off
    ],
)
def test_slots_of_a_row_are_a_bag_and_what_is_no_call_has_none(answer: str, expected: float) -> None:
    assert slot_f1([answer], ['{"slots": {"a": ["1", "1", "1"]}}']) == pytest.approx(expected)


def test_slots_under_another_key_and_none_at_all() -> None:
    assert slot_f1(['{"arguments": {"n": 1}}'], ['{"arguments": {"n": 1.0}}'], key="arguments") == 0.0
    assert slot_f1(['{"arguments": {"n": 1}}'], ['{"arguments": {"n": [1]}}'], key="arguments") == 1.0
    assert slot_f1(["[]"], ["{}"]) is None


@pytest.mark.parametrize(("answer", "expected"), [("[1]", 1.0), ("NaN", 0.0), ("{'a': 1}", 0.0), ('{"a": 1} {}', 0.0)])
def test_json_is_what_the_standard_says(answer: str, expected: float) -> None:
    assert json_valid(answer) == expected


def test_every_metric_has_a_version_and_a_sentence_of_help() -> None:
    for name in names("metric"):
        module = Named("metric", name).module()
        assert module.VERSION == 1
        assert (Named("metric", name).load().__doc__ or "").partition("\n")[0].endswith(".")


def test_rouge_l_is_that_of_the_rouge_score_package() -> None:
    scorer = RougeScorer(["rougeL"])
    expected = [scorer.score(target, answer)["rougeL"].fmeasure for answer, target in REAL]
    assert rouge_l(*map(list, zip(*REAL, strict=True))) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=70), st.lists(st.sampled_from("abcd"), max_size=70))
def test_the_longest_common_subsequence_is_that_of_the_classic_table(a: list[str], b: list[str]) -> None:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if left == right else max(table[i, j + 1], table[i + 1, j])
    assert common_length(a, b) == table[-1, -1]


def test_a_target_that_rouge_l_cannot_read_is_not_measured_and_lowers_no_mean() -> None:
    scores = score(Named("metric", "rouge_l"), {}, ["Load it.", "你好"], [{}, {}], ["Load it.", "你好"])
    assert (scores.value, scores.n) == (1.0, 1)


def test_rouge_l_of_ten_thousand_answers_takes_less_than_half_a_second() -> None:
    rng = np.random.default_rng(0)
    vocabulary = ["".join(rng.choice(list(string.ascii_lowercase), 5)) for _ in range(300)]
    answers, targets = ([" ".join(rng.choice(vocabulary, 12)) for _ in range(10_000)] for _ in range(2))
    start = time.process_time()
    rouge_l(answers, targets)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("the Broncos", "Denver Broncos!", 2 / 3),
        ("A cat. The cat", "cat", 2 / 3),
        ("the", "a", 1.0),  # nothing but articles on both sides: equal, as in SQuAD's script
        ("the", "cat", 0.0),
    ],
)
def test_f1_is_squads(answer: str, target: str, expected: float) -> None:
    assert f1(answer, target) == pytest.approx(expected)


def test_one_answer_to_everything_is_the_least_diverse() -> None:
    assert distinct(["Return the value."] * 50) == 0.02
    assert distinct([f"Answer {index}" for index in range(50)]) == 1.0
    assert distinct([]) == 0.0
