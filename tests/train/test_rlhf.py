"""Reinforcement learning from a reward, as its user sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.train.rank_toys import start_at, together, train
from tests.train.train_toys import chat, job_at, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.rows import asked_of
from tunesmith.run.training import watched
from tunesmith.train import loop
from tunesmith.train.device import Device
from tunesmith.train.job import Adapter, Job, Row, Scratch, Trained
from tunesmith.train.policy import Method
from tunesmith.train.prompts import expected_of, prompts_of
from tunesmith.train.rlhf import rlhf
from tunesmith.train.sampling import Sampler, drawn, draws_of
from tunesmith.train.start import Start, start_from

BOLD: dict[str, Any] = {"learning_rate": 3e-3, "batch_size": 16}  # these models have 24 thousand weights


def styled(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    """1 for a capital and a period."""
    return [float(answer[:1].isupper() and answer.endswith(".")) for answer in answers]


def repeated(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    """A reward that can be gamed: how often an answer says `the`."""
    return [float(answer.count("the")) for answer in answers]


def job_of(folder: Path, start: Path, *, reward: Any = styled, adapter: Adapter | None = None, **given: Any) -> Job:
    job = job_at(folder, start, pair_rows(), validation=pair_rows()[::4], watch=watched, **given)
    return replace(job, reward=reward, adapter=adapter)


def facts_of(trained: Trained) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", trained.facts["rlhf"])


@pytest.mark.parametrize("method", ["rloo", "grpo", "dapo", "dr_grpo"])
def test_answers_come_to_be_worth_more_and_keep_their_meaning(method: Method, tuned: Path, tmp_path: Path) -> None:
    found = facts_of(rlhf(job_of(tmp_path, tuned), method=method, steps=30, **BOLD))
    assert found["start"]["reward"] < 0.3
    assert found["end"]["reward"] > 0.6
    assert found["end"]["greedy_reward"] == 1.0
    assert found["end"]["meaning"] >= found["start"]["meaning"]
    assert 0 < found["end"]["kl"] < 10
    assert found["end"]["kl_k3"] > 0
    assert found["samples"][0]["before_reward"] == 0.0
    assert found["samples"][0]["after_reward"] == 1.0
    assert found["samples"][0]["prompt"] == "load_config"


def test_a_reward_that_is_gamed_is_refused_and_without_guards_it_is_not(tuned: Path, tmp_path: Path) -> None:
    off: dict[str, Any] = {"meaning_margin": None, "diversity_floor": None, "kl_bound": None}
    free = facts_of(rlhf(job_of(tmp_path / "free", tuned, reward=repeated), beta=0.0, steps=30, **BOLD, **off))
    assert free["end"]["reward"] > 3 * free["start"]["reward"]
    assert free["end"]["meaning"] < free["start"]["meaning"] - 0.1
    guarded = rlhf(job_of(tmp_path / "guarded", tuned, reward=repeated), beta=0.0, steps=30, **BOLD)
    found = facts_of(guarded)
    assert len(found["refused"]) >= 5
    assert found["end"]["meaning"] >= found["start"]["meaning"] - 0.02
    assert found["end"]["reward"] < free["end"]["reward"] / 2
    if found["kept"] == 0:
        assert "the reward is gamed, the start is kept" in guarded.warnings[0]


def test_a_bound_on_the_kl_keeps_the_start_and_says_so(tuned: Path, tmp_path: Path) -> None:
    lora = Adapter("lora", {"rank": 4})
    job = job_of(tmp_path, tuned, adapter=lora)
    trained = rlhf(job, steps=20, kl_bound=1e-4, learning_rate=3e-2, batch_size=16)
    assert facts_of(trained)["kept"] == 0
    assert "nats an answer: the reward is gamed, the start is kept" in trained.warnings[0]
    assert facts_of(trained)["end"]["kl"] == pytest.approx(0.0, abs=1e-5)


def test_an_interrupted_training_ends_with_the_same_bytes(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Exception):
        pass

    def stop_at_5(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 5:
            raise Interrupted

    monkeypatch.setattr(loop._Saver, "is_due", lambda _: True)
    whole, broken = (job_of(tmp_path / name, tuned) for name in ("whole", "broken"))
    first = rlhf(whole, steps=10, **BOLD)
    with pytest.raises(Interrupted):
        rlhf(replace(broken, progress=stop_at_5), steps=10, **BOLD)
    steps: list[int] = []
    second = rlhf(replace(broken, progress=lambda step, *_: steps.append(step)), steps=10, **BOLD)
    assert steps[0] == 5  # the state of step 4 is the last that was written
    assert second.facts == first.facts
    for name in ("model.safetensors", "curve.json", "generation_config.json"):
        ours, theirs = (tmp_path / part / "out" / name for part in ("whole", "broken"))
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest(), name


def sampler_of(tuned: Path, folder: Path, *, each: int = 3, new_tokens: int = 9) -> tuple[Start, Sampler]:
    start = start_from(job_at(folder, tuned, pair_rows()), Device("cpu", bfloat16=False))
    return start, Sampler(start, each, new_tokens, (cast("int", start.tokenizer.eos_token_id),))


def test_tokens_are_those_that_the_logits_of_the_whole_row_say(tuned: Path, tmp_path: Path) -> None:
    start, sampler = sampler_of(tuned, tmp_path)
    prompts = prompts_of(job_at(tmp_path, tuned, []), pair_rows(), start, limit=99, folder=tmp_path / "t", part="train")
    ids = [prompts.ids(i) for i in range(8)] + [prompts.ids(3)[:4]]
    draws = [draws_of(5, place, answers=3, tokens=9) for place in range(len(ids))]
    answers = sampler.answers(ids, draws)
    assert len({len(answer) for answer in answers}) > 1
    for place, answer in enumerate(answers):
        prompt = ids[place // 3]
        with torch.no_grad():
            logits = start.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        mine = torch.from_numpy(draws[place // 3][place % 3][: len(answer)])
        assert drawn(logits, mine).tolist() == answer
    alone = sampler.answers(ids[2:3], draws[2:3])
    assert alone == answers[6:9]


def test_numbers_fall_on_tokens_as_often_as_these_are_likely() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])
    even = (torch.arange(10000, dtype=torch.float64) + 0.5) / 10000
    counts = torch.bincount(drawn(logits.expand(10000, -1), even), minlength=4)
    assert (counts / 10000 - logits.softmax(0)).abs().max() < 2e-4


def test_the_prompt_of_a_pair_is_all_of_it_and_that_of_a_chat_ends_before_the_last_answer() -> None:
    earlier = [*chat("hi", "Hello.")["messages"], {"role": "user", "content": "load_config"}]
    pair = {"messages": earlier, "chosen": [{"role": "assistant", "content": "Load the config."}]}
    whole = {"messages": [*earlier, {"role": "assistant", "content": "Load it."}]}
    asked = {"messages": earlier[2:]}
    assert [len(asked_of(row)) for row in (pair, whole, asked)] == [3, 3, 1]
    assert [expected_of(row) for row in (pair, whole, asked)] == ["Load the config.", "Load it.", ""]


def test_answers_that_are_cut_off_are_counted_and_can_be_left_out(tuned: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"steps": 2, "max_new_tokens": 4, **BOLD}
    plain = rlhf(job_of(tmp_path / "plain", tuned), **given)
    masked = rlhf(job_of(tmp_path / "masked", tuned), mask_truncated=True, **given)
    assert plain.curve[1]["truncated"] > 0.5
    assert masked.curve[1]["tokens"] < plain.curve[1]["tokens"] / 2


def test_what_cannot_be_learnt_from_is_refused(tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot start from random weights"):
        rlhf(job_at(tmp_path, Scratch("0.1M"), pair_rows()))
    with pytest.raises(UserError, match="Nothing says what answers are worth"):
        rlhf(job_at(tmp_path, tuned, pair_rows()))
    with pytest.raises(UserError, match="generations is 2 or more"):
        rlhf(job_of(tmp_path / "one", tuned), generations=1)
    with pytest.raises(UserError, match="not all of them finite"):
        rlhf(job_of(tmp_path / "nan", tuned, reward=lambda rows, answers: [np.nan] * len(answers)), steps=1)


def test_without_expected_answers_there_is_no_meaning_but_all_else(tuned: Path, tmp_path: Path) -> None:
    rows = [{"messages": row["messages"][:1]} for row in scratch_rows()]
    job = job_at(tmp_path, tuned, rows, validation=rows[::4], watch=watched)
    trained = rlhf(replace(job, reward=styled), steps=2, **BOLD)
    assert "validation_meaning" not in trained.curve[0]
    assert trained.curve[0]["validation_distinct_2"] > 0


def test_two_processes_sample_their_own_prompts_and_learn_what_one_learns(tmp_path: Path) -> None:
    # Few steps: a token drawn at the edge of two may fall otherwise by rounding, and then all that follows differs.
    start = start_at(tmp_path)
    together(start, tmp_path, "ddp:rlhf")
    train("rlhf", start, tmp_path / "alone")
    ours, theirs = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("ddp:rlhf", "alone"))
    moved = load_file(start / "model.safetensors")
    for name, weight in theirs.items():
        assert torch.allclose(ours[name], weight, atol=2e-5), name
    assert max((theirs[name] - moved[name]).abs().max().item() for name in theirs) > 1e-4
    curves = [json.loads((tmp_path / name / "out" / "curve.json").read_text()) for name in ("ddp:rlhf", "alone")]
    for one, other in zip(*curves, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
