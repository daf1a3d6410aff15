"""The arms that a tuned model has to beat."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import message
from tunesmith.core.registry import Named, help_of, names
from tunesmith.models.arms.constant import constant
from tunesmith.models.arms.nearest import Analyser, nearest
from tunesmith.models.base import Model, Sampling


def row(prompt: str, target: str) -> Mapping[str, object]:
    return {"messages": [message("user", prompt), message("assistant", target)]}


def ask(model: Model, *prompts: str) -> list[str]:
    return [answer.text for answer in model.generate([[message("user", prompt)] for prompt in prompts], Sampling())]


def train() -> Sequence[Mapping[str, object]]:
    return [
        row("def loadConfig(path)", "Load the config."),
        row("def save_frame(frame, path)", "Save a frame."),
        row("def close(self)", "Close the connection."),
    ]


def test_constant_answers_everything_alike() -> None:
    model = constant(base=None, rows=[], name="constant", answer="Return the value.")
    assert ask(model, "a", "b") == ["Return the value."] * 2


def test_nearest_gives_the_answer_of_the_most_similar_prompt() -> None:
    model = nearest(base=None, rows=train(), name="nearest")
    assert ask(model, "def close(handle)", "def save_frame(path)") == ["Close the connection.", "Save a frame."]


@pytest.mark.parametrize(
    ("analyser", "expected"),
    [("words", "Close the connection."), ("identifiers", "Load the config."), ("characters", "Load the config.")],
)
def test_an_analyser_that_splits_identifiers_finds_the_same_name_written_otherwise(
    analyser: Analyser, expected: str
) -> None:
    model = nearest(base=None, rows=train(), name="nearest", analyser=analyser)
    assert ask(model, "load_config self") == [expected]


def test_a_prompt_that_resembles_nothing_gets_the_first_rows_answer() -> None:
    assert ask(nearest(base=None, rows=train(), name="nearest"), "zzz") == ["Load the config."]


def test_a_thousand_prompts_find_their_neighbour_among_five_thousand_in_seconds() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"word{index}" for index in range(3000)]
    rows = [row(" ".join(rng.choice(vocabulary, 8)), str(index)) for index in range(5_000)]
    start = time.process_time()
    model = nearest(base=None, rows=rows, name="nearest")
    prompts = [str(rows[index]["messages"][0]["content"]) for index in range(1000)]  # type: ignore[index]  # built above
    assert ask(model, *prompts) == [str(index) for index in range(1000)]
    assert time.process_time() - start < 5


def test_nearest_needs_rows_and_a_known_analyser() -> None:
    with pytest.raises(UserError, match=r"no rows to look among.*\n.*docs.train"):
        nearest(base=None, rows=[], name="nearest")
    with pytest.raises(UserError, match="no analyser 'bytes'"):
        nearest(base=None, rows=train(), name="nearest", analyser="bytes")  # type: ignore[arg-type]  # the mistake


def test_every_arm_is_found_by_its_file_and_has_help() -> None:
    assert {"constant", "nearest"} <= set(names("arm"))
    for name in names("arm"):
        assert help_of("arm", name).endswith(".")
        assert Named("arm", name).module().VERSION == 1
