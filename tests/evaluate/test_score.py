"""A metric is a plain function that asks by name for what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named
from tunesmith.evaluate.score import Scores, lower_is_better, score, score_with

ROWS = [
    {"id": str(index), "domain": "x", "messages": [{"role": "user", "content": f"ask {index}"}]} for index in range(3)
]
ANSWERS = ["one", "two", "three"]
TARGETS = ["one", "zwei", "three"]


def run(function: Callable[..., object], parameters: Mapping[str, object] | None = None) -> Scores:
    return score_with(function, parameters or {}, ANSWERS, ROWS, TARGETS, name="mine")


def test_a_metric_of_a_row_gets_what_it_asks_for() -> None:
    def matches(answer: str, target: str) -> bool:
        return answer == target

    def from_prompt(prompt: str, record: Mapping[str, object]) -> float:
        return float(prompt == f"ask {record['id']}")

    assert run(matches).per_row is not None
    assert run(matches).value == pytest.approx(2 / 3)
    assert run(from_prompt).value == 1.0


def test_a_metric_takes_its_configuration_by_keyword() -> None:
    def at_least(answer: str, *, characters: int = 1) -> float:
        return float(len(answer) >= characters)

    assert run(at_least).value == 1.0
    assert run(at_least, {"characters": 4}).value == pytest.approx(1 / 3)


def test_a_batch_metric_returns_a_value_for_each_row_or_one_for_all() -> None:
    def lengths(answers: Sequence[str]) -> Sequence[float]:
        return [len(answer) for answer in answers]

    def share_of_e(answers: Sequence[str], targets: Sequence[str]) -> float:
        return sum("e" in answer for answer in answers) / len(targets)

    assert run(lengths).value == pytest.approx(11 / 3)
    whole = run(share_of_e)
    assert whole.per_row is None
    assert whole.of_rows is not None
    assert whole.value == pytest.approx(2 / 3)
    assert whole.n == 3
    assert whole.of_rows(np.array([0, 1])) == 0.5


def test_what_a_metric_cannot_measure_is_left_out_and_counted() -> None:
    def only_known(target: str) -> float | None:
        return None if target == "zwei" else 1.0

    scores = run(only_known)
    assert (scores.value, scores.n) == (1.0, 2)
    assert run(lambda answers: None).value is None


def test_a_metric_in_a_file_of_the_users_is_found_by_its_path(tmp_path: Path) -> None:
    code = "LOWER_IS_BETTER = True\ndef wordiness(answer):\n    return len(answer)\n"
    (tmp_path / "mine.py").write_text(code)
    metric = Named("metric", "./mine.py:wordiness", str(tmp_path))
    assert score(metric, {}, ANSWERS, ROWS, TARGETS).value == pytest.approx(11 / 3)
    assert lower_is_better(metric)
    assert not lower_is_better(Named("metric", "rouge_l"))


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda answer: "good", "returned 'good'"),
        (lambda answer: float("inf"), "returned inf"),
        (lambda answers: [1.0], "returned 1 values for 3 rows"),
        (lambda answers: "good", "returned 'good'"),
        (lambda anser: 1.0, "asks for nothing to measure"),
        (lambda answer, targets: 1.0, "asks for both rows and batches"),
    ],
)
def test_a_metric_that_cannot_be_used_is_the_users_to_mend(function: Callable[..., object], problem: str) -> None:
    with pytest.raises(UserError, match=f"metric mine {problem}"):
        run(function)
