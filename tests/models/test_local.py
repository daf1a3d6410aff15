"""A model folder on this machine, asked in batches."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tunesmith.core.errors import UserError
from tunesmith.models.base import Model, Sampling
from tunesmith.models.chat import render, template_hash
from tunesmith.models.conversation import Conversation
from tunesmith.models.local import LocalModel
from tunesmith.train.job import Job, Scratch
from tunesmith.train.sft import sft

NOUNS = ("config", "file", "index", "name", "path", "table", "user", "value")
QUESTIONS = [[{"role": "user", "content": f"{verb}_{noun}"}] for verb in ("load", "save", "check") for noun in NOUNS]


def answer_to(question: str) -> str:
    verb, noun = question.split("_")
    return f"{verb.capitalize()} the {noun}."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp("local")
    rows = [
        {"messages": [*chat, {"role": "assistant", "content": answer_to(chat[0]["content"])}]} for chat in QUESTIONS
    ]
    start = Scratch("0.1M", {"kind": "words", "vocabulary": 320}, {"copy": 0.5, "embedding_std": 0.05})
    job = Job(start, rows, [], work / "out", work / "resume", 0, lambda _: None, lambda *_: None)
    sft(job, steps=120, batch_size=16, learning_rate=1e-2, weight_decay=0.0)
    return work / "out"


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel(folder, name="toy")


def test_answers_come_in_the_order_of_the_chats(model: LocalModel) -> None:
    asked: Model = model
    answers = asked.generate(QUESTIONS, Sampling())
    right = [answer.text == answer_to(chat[0]["content"]) for answer, chat in zip(answers, QUESTIONS, strict=True)]
    assert sum(right) >= 22
    assert {answer.finish for answer in answers} == {"stop"}
    assert answers[0].prompt_tokens == len(render(model.tokenizer, QUESTIONS[0], answer=False).ids)


def test_greedy_answers_do_not_depend_on_the_batch(folder: Path, model: LocalModel) -> None:
    long = [{"role": "user", "content": "load_config " * 12}]
    one_by_one = LocalModel(folder, batch_size=1).generate([*QUESTIONS, long], Sampling(max_tokens=12))
    assert model.generate([*QUESTIONS, long], Sampling(max_tokens=12)) == one_by_one


def test_an_answer_ends_at_the_token_limit_or_at_a_stop_string(model: LocalModel) -> None:
    cut = model.generate(QUESTIONS[:1], Sampling(max_tokens=3))[0]
    assert (cut.answer_tokens, cut.finish) == (3, "length")
    stopped = model.generate(QUESTIONS[:2], Sampling(stop=(" the",)))
    assert [(answer.text, answer.finish) for answer in stopped] == [("Load", "stop"), ("Load", "stop")]


def test_sampled_answers_repeat_for_the_same_seed(model: LocalModel) -> None:
    before = torch.get_rng_state()
    first, again, other = (
        [answer.text for answer in model.generate(QUESTIONS, Sampling(temperature=3.0, seed=seed, max_tokens=8))]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert torch.equal(before, torch.get_rng_state())


def test_temperature_zero_is_greedy_and_none_is_what_the_folder_says(model: LocalModel) -> None:
    assert model.generate(QUESTIONS, Sampling(temperature=0.0)) == model.generate(QUESTIONS, Sampling())


def test_logprobs_are_those_of_the_last_turn_with_its_end(model: LocalModel) -> None:
    chats = [[*chat, {"role": "assistant", "content": answer_to(chat[0]["content"])}] for chat in QUESTIONS]
    wrong = [[*chat, {"role": "assistant", "content": "Zebra."}] for chat in QUESTIONS]
    right, bad = model.logprobs(chats), model.logprobs(wrong)
    assert "".join(right[0].tokens).endswith("<|im_end|>")
    assert len(right[0].tokens) == len(right[0].logprobs)
    assert all(sum(a.logprobs) > sum(b.logprobs) for a, b in zip(right, bad, strict=True))
    ids = torch.tensor([render(model.tokenizer, chats[0]).ids])
    with torch.no_grad():
        logps = model.model(input_ids=ids).logits.log_softmax(-1)
    last = logps[0, -2, ids[0, -1]].item()
    assert math.isclose(right[0].logprobs[-1], last, abs_tol=1e-4)


def test_a_chat_that_does_not_fit_is_named(model: LocalModel) -> None:
    with pytest.raises(UserError, match="shorten the chat"):
        model.generate([[{"role": "user", "content": "load " * 600}]], Sampling())


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a model folder"):
        LocalModel(tmp_path)


def test_a_model_is_shown_the_tools_of_a_chat_and_names_its_template(model: LocalModel) -> None:
    asked = Conversation(({"role": "user", "content": "load_config"},), ({"name": "a"},))
    answer = model.generate([asked], Sampling(max_tokens=1))[0]
    assert answer.prompt_tokens == len(render(model.tokenizer, asked.messages, tools=asked.tools, answer=False).ids)
    assert answer.prompt_tokens > len(render(model.tokenizer, asked.messages, answer=False).ids)
    assert model.template == template_hash(model.tokenizer)


def test_no_chats_give_no_answers(model: LocalModel) -> None:
    assert model.generate([], Sampling()) == []
    assert model.logprobs([]) == []


def test_a_short_prompt_beside_a_long_one_gets_as_many_tokens_as_alone(model: LocalModel) -> None:
    short = [{"role": "user", "content": "value value"}]
    words = 0
    while len(render(model.tokenizer, [{"role": "user", "content": "load " * (words + 1)}], answer=False).ids) < 500:
        words += 1
    long = [{"role": "user", "content": "load " * words}]
    wanted = Sampling(max_tokens=40, temperature=5.0)  # hot, so that answers run on
    beside = model.generate([long, short], wanted)[1]
    assert beside.finish == "stop" or beside.answer_tokens == 40
