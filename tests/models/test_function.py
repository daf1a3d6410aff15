"""A plain function stands beside models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import message
from tunesmith.models.base import Model, Sampling
from tunesmith.models.echo import echo
from tunesmith.models.function import as_model

CHATS = [[message("user", "load_config")], [message("user", "save")]]


def answers(model: Model) -> list[str]:
    return [answer.text for answer in model.generate(CHATS, Sampling())]


def test_a_function_of_one_prompt_answers_each() -> None:
    assert answers(as_model(lambda prompt: prompt.replace("_", " "), name="split")) == ["load config", "save"]


def test_a_function_of_all_prompts_answers_them_at_once() -> None:
    assert answers(as_model(lambda prompts: [str(len(prompts))] * len(prompts), name="count")) == ["2", "2"]


def test_a_function_gets_the_rows_the_base_and_its_parameters_where_it_asks_for_them() -> None:
    def tell(prompt: str, rows: Sequence[Mapping[str, object]], base: Model, *, sign: str = "?") -> str:
        return f"{prompt} {len(rows)} {base.name}{sign}"

    model = as_model(tell, name="tell", base=echo(), rows=[{}, {}, {}], parameters={"sign": "!"})
    assert answers(model) == ["load_config 3 echo!", "save 3 echo!"]


def test_a_function_that_prepares_is_called_once() -> None:
    prepared: list[int] = []

    def fit(rows: Sequence[Mapping[str, object]]) -> Callable[[list[str]], list[str]]:
        prepared.append(len(rows))
        return predict

    def predict(prompts: list[str]) -> list[str]:
        return [prompt.upper() for prompt in prompts]

    model = as_model(fit, name="fit", rows=[{}])
    assert answers(model) == answers(model) == ["LOAD_CONFIG", "SAVE"]
    assert prepared == [1]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda prompt: None, "answered with None"),
        (lambda prompts: ["one"], "1 answers to 2 prompts"),
    ],
)
def test_an_answer_that_is_none_is_the_users_to_mend(function: Callable[..., object], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        answers(as_model(function, name="mine"))


def test_a_function_that_asks_for_no_prompt_and_prepares_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="asks for neither prompt nor prompts"):
        as_model(lambda rows: 7, name="mine")
