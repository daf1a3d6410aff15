"""What is watched while preferences are learnt, and which measurements may be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.train.train_toys import job_at, pair_rows

from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.device import Device
from tunesmith.train.dpo import _asked
from tunesmith.train.job import Texts
from tunesmith.train.loop import State
from tunesmith.train.start import Start, start_from
from tunesmith.train.watching import Held, Watcher, watcher_of


def lengths(answers: Texts, expected: Texts) -> dict[str, float]:
    return {"words": sum(len(answer.split()) for answer in answers) / len(answers)}


@pytest.fixture
def begun(tuned: Path, tmp_path: Path) -> Start:
    return start_from(job_at(tmp_path, tuned, pair_rows()), Device("cpu", bfloat16=False))


def watcher(begun: Start, tmp_path: Path, rows: int = 32) -> Watcher:
    pairs = (pair_rows() * 5)[:rows]
    job = job_at(tmp_path, tmp_path, pairs, validation=pairs, watch=lengths)
    found = watcher_of(job, begun, pairs, np.arange(rows), _asked)
    assert found is not None
    return found


def test_the_model_in_training_answers_as_its_folder_does(tuned: Path, begun: Start, tmp_path: Path) -> None:
    answers = watcher(begun, tmp_path).answers()
    prompts = [row["messages"] for row in pair_rows()]
    assert answers == [answer.text for answer in LocalModel(tuned).generate(prompts, Sampling())]
    assert begun.model.training


def test_watched_numbers_do_not_depend_on_how_prompts_are_batched(begun: Start, tmp_path: Path) -> None:
    whole = watcher(begun, tmp_path)
    assert whole.numbers() == replace(whole, batch_size=3).numbers()


def test_at_most_64_prompts_are_watched_evenly_chosen_and_always_the_same(begun: Start, tmp_path: Path) -> None:
    many = watcher(begun, tmp_path, 130)
    assert len(many.prompts) == 64
    assert many.expected == watcher(begun, tmp_path, 130).expected
    assert many.expected[0] == pair_rows()[0]["chosen"][0]["content"]
    assert many.expected[-1] == (pair_rows() * 5)[129]["chosen"][0]["content"]
    assert many.new_tokens <= 128


def test_rows_that_were_left_out_are_not_watched(begun: Start, tmp_path: Path) -> None:
    rows = pair_rows()
    job = job_at(tmp_path, tmp_path, rows, watch=lengths)
    found = watcher_of(job, begun, rows, np.array([3, 7]), _asked)
    assert found is not None
    assert found.expected == [rows[place]["chosen"][0]["content"] for place in (3, 7)]


def test_nothing_is_watched_without_held_out_rows_or_without_a_measure(begun: Start, tmp_path: Path) -> None:
    rows = pair_rows()
    assert watcher_of(job_at(tmp_path, tmp_path, rows, watch=lengths), begun, [], np.arange(0), _asked) is None
    assert watcher_of(job_at(tmp_path, tmp_path, rows), begun, rows, np.arange(32), _asked) is None


def held(begun: Start, *, margin: float | None = 0.02, meaning: float = 0.5, words: float = 10.0) -> Held:
    """Of a start with this meaning and length, where three words are expected."""
    watch = Watcher(begun, [[1]], ["Load the config."], lengths, 4)
    return Held(dict, watch, margin, {"validation_meaning": meaning, "validation_words": words, "validation_loss": 1.0})


@pytest.mark.parametrize(
    ("meaning", "words", "lost"),
    [
        (0.5, 10.0, None),
        (0.481, 10.0, None),
        (0.479, 10.0, "meaning fell from 0.50 to 0.48"),
        (0.9, 5.0, None),
        (0.5, 20.0, None),
        (0.5, 4.0, None),  # half of the start's would be 5, but 3 are expected
        (0.5, 1.4, "answers went from 10.0 to 1.4 words"),
        (0.5, 20.1, "answers went from 10.0 to 20.1 words"),
    ],
)
def test_weights_may_be_kept_while_meaning_and_length_hold(
    meaning: float, words: float, lost: str | None, begun: Start
) -> None:
    assert held(begun).lost({"validation_meaning": meaning, "validation_words": words}) == lost
    assert held(begun, margin=None).lost({"validation_meaning": meaning, "validation_words": words}) is None


def test_the_warning_says_what_was_lost_and_that_the_start_is_kept(begun: Start) -> None:
    fallen = {"step": 30.0, "validation_meaning": 0.14, "validation_words": 9.0, "validation_accuracy": 0.98}
    state = State(step=30, curve=[{"step": 0.0, "validation_meaning": 0.22}, fallen], best_step=0)
    assert held(begun, meaning=0.22).warnings(state) == (
        "preference accuracy 0.98, but meaning fell from 0.22 to 0.14 at step 30 (1 held-out answers): over-tuned, the "
        "start is kept",
    )
    assert held(begun, meaning=0.22).warnings(replace(state, best_step=15)) == ()
    assert held(begun, margin=None).warnings(state) == ()


def test_a_training_that_never_beat_its_start_says_so(begun: Start) -> None:
    state = State(step=30, curve=[{"step": 0.0}, {"step": 30.0, "validation_meaning": 0.5, "validation_words": 9.0}])
    assert held(begun).warnings(state) == (
        "no measurement had a lower validation loss than the start: the start is kept",
    )
