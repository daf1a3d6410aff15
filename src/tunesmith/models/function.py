"""A plain function as a model: what it returns is the answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Answer, Chat, Model, Sampling, TokenLogprobs
from tunesmith.models.rows import prompt_of

AnswerAll = Callable[[list[str]], Sequence[str]]


@dataclass(frozen=True)
class FunctionModel:
    """A model whose answers come from a function of the prompts (the last user message of each chat).

    Tokens are counted as words, and an answer is never cut short: `sampling` changes nothing.
    """

    name: str
    answer_all: AnswerAll
    can: frozenset[str] = frozenset({"generate"})

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order; raises UserError if the function gives something else."""
        prompts = [prompt_of(chat) for chat in chats]
        answers = list(self.answer_all(prompts))
        if len(answers) != len(prompts):
            raise UserError(
                f"{self.name}: {len(answers)} answers to {len(prompts)} prompts.",
                "A function that asks for `prompts` returns one answer for each, in order.",
            )
        return [_answer(self.name, prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """Raises UserError: a function gives answers, not probabilities."""
        raise UserError(
            f"{self.name} gives answers, not log-probabilities.", "Name a model that offers logprobs for this step."
        )


def _answer(name: str, prompt: str, answer: object) -> Answer:
    if not isinstance(answer, str):
        raise UserError(f"{name} answered with {answer!r}, which is not text.", "Return a str for each prompt.")
    return Answer(answer, prompt_tokens=len(prompt.split()), answer_tokens=len(answer.split()))


def as_model(
    function: Callable[..., object],
    *,
    name: str,
    base: Model | None = None,
    rows: Sequence[Mapping[str, object]] = (),
    parameters: Mapping[str, object] | None = None,
) -> FunctionModel:
    """A function as a model. It asks by parameter name for `prompt` (a str, returns a str) or `prompts` (all at once).

    It may also ask for `rows` (the training rows the recipe names) and `base`. A function that asks for neither
    prompt nor prompts prepares: it is called once and returns the function that answers.
    """
    asked = set(inspect.signature(function).parameters)
    offered = {"rows": rows, "base": base}
    call = partial(function, **{key: value for key, value in offered.items() if key in asked}, **(parameters or {}))
    if {"prompt", "prompts"} & asked:
        return FunctionModel(name, _for_all(call, asked))
    prepared = call()
    if not callable(prepared):
        raise UserError(
            f"{name} asks for neither prompt nor prompts, and returns no function that does.",
            "Write it as function(prompt) -> str, as function(prompts) -> list of str, or let it return one of them.",
        )
    return as_model(prepared, name=name, base=base, rows=rows)


def _for_all(call: Callable[..., object], asked: set[str]) -> AnswerAll:
    if "prompts" in asked:
        return lambda prompts: cast("Sequence[str]", call(prompts=prompts))
    return lambda prompts: [cast("str", call(prompt=prompt)) for prompt in prompts]
