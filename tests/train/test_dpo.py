"""Preference tuning, as its user sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.dpo import dpo
from tunesmith.train.job import Scratch
from tunesmith.train.sft import sft


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers `loads the config`, the rejected way, and sometimes the chosen one."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tuned")
    rejected = [{"messages": [*row["messages"], *row["rejected"]]} for row in pair_rows()]
    start = Scratch("0.1M", {"kind": "words", "vocabulary": 320}, {"copy": 0.5, "embedding_std": 0.05})
    rows = rejected * 2 + scratch_rows()
    sft(job_at(folder, start, rows), steps=150, batch_size=16, learning_rate=1e-2, weight_decay=0.0)
    return folder / "out"


def answers_of(folder: Path) -> list[str]:
    chats = [row["messages"] for row in pair_rows()]
    return [answer.text for answer in LocalModel(folder).generate(chats, Sampling())]


def test_preference_tuning_turns_the_answers_to_the_chosen_style_and_keeps_their_meaning(
    tuned: Path, tmp_path: Path
) -> None:
    before = answers_of(tuned)
    job = job_at(tmp_path, tuned, pair_rows(), validation=pair_rows()[:8])
    trained = dpo(job, steps=60, learning_rate=1e-3)
    after = answers_of(tmp_path / "out")
    chosen = [row["chosen"][0]["content"] for row in pair_rows()]
    assert sum(a == b for a, b in zip(before, chosen, strict=True)) < 16
    assert sum(a == b for a, b in zip(after, chosen, strict=True)) >= 28
    assert trained.curve[-1]["validation_accuracy"] == 1.0
    assert trained.curve[-1]["validation_margin"] > trained.curve[0]["validation_margin"]
    assert {"loss", "accuracy", "margin", "chosen_nll"} <= set(trained.curve[0])


def test_before_the_first_step_the_model_is_its_own_reference(tuned: Path, tmp_path: Path) -> None:
    trained = dpo(job_at(tmp_path, tuned, pair_rows()), steps=1, learning_rate=0.0, anchor=0.0)
    assert trained.curve[0]["loss"] == pytest.approx(0.6931, abs=0.02)  # ln 2; bfloat16 rounds by the batch's width


def test_an_interrupted_preference_tuning_ends_with_the_same_bytes(tuned: Path, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop_at_5(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 5:
            raise Interrupted

    whole = job_at(tmp_path / "whole", tuned, pair_rows(), validation=pair_rows()[:8])
    broken = job_at(tmp_path / "broken", tuned, pair_rows(), validation=pair_rows()[:8], progress=stop_at_5)
    dpo(whole, steps=10, batch_size=8)
    with pytest.raises(Interrupted):
        dpo(broken, steps=10, batch_size=8)
    dpo(replace(broken, progress=lambda *_: None), steps=10, batch_size=8)
    for name in ("model.safetensors", "curve.json", "config.json", "tokenizer_config.json"):
        ours, theirs = (tmp_path / part / "out" / name for part in ("whole", "broken"))
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest(), name


def test_only_the_answers_are_compared_not_earlier_turns_of_the_prompt(tuned: Path, tmp_path: Path) -> None:
    from tunesmith.train.dpo import _rendered
    from tunesmith.train.folder import start_from

    earlier = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Load the file."}]
    rows = [{**row, "messages": [*earlier, *row["messages"]]} for row in pair_rows()]
    job = job_at(tmp_path, tuned, rows)
    start = start_from(job)
    pairs = _rendered(job, rows, start, 512, "train")
    first = pairs.sides[0][0]
    learnt = [token for token, mask in zip(first.ids, first.mask, strict=True) if mask]
    assert start.tokenizer.decode(learnt) == "Load the config.<|im_end|>"


def test_preference_tuning_from_random_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot start from random weights"):
        dpo(job_at(tmp_path, Scratch("0.1M"), pair_rows()))


def test_pairs_beyond_the_length_limit_are_counted(tuned: Path, tmp_path: Path) -> None:
    said: list[str] = []
    long = {**pair_rows()[0], "rejected": [{"role": "assistant", "content": "loads it " * 40}]}
    dpo(job_at(tmp_path, tuned, [*pair_rows(), long], say=said.append), steps=1, max_length=40)
    assert "train: 1 pairs longer than 40 tokens or without an answer are left out" in said
