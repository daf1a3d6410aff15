"""Supervised fine-tuning, as its user sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.train_toys import chat, job_at, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.batches import Line, Whole, collate
from tunesmith.train.job import Scratch, Texts
from tunesmith.train.sft import hidden_words, sft
from tunesmith.train.start import start_from

TINY = Scratch("0.1M", {"kind": "words", "vocabulary": 320}, {"copy": 0.5, "embedding_std": 0.05})


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_a_model_from_random_weights_learns_its_rows_and_answers_them(tmp_path: Path) -> None:
    said: list[str] = []
    rows = scratch_rows()
    job = job_at(tmp_path, TINY, rows, validation=rows[:8], say=said.append)
    trained = sft(job, steps=120, batch_size=16, learning_rate=1e-2, weight_decay=0.0)
    answers = LocalModel(tmp_path / "out").generate([row["messages"][:1] for row in rows], Sampling())
    right = sum(answer.text == row["messages"][1]["content"] for answer, row in zip(answers, rows, strict=True))
    assert right >= 30
    assert trained.steps == 120
    assert trained.epochs == 60.0
    assert trained.curve[-1]["validation_loss"] < 0.2 < trained.curve[0]["validation_loss"]
    assert [entry["step"] for entry in trained.curve] == [12.0 * n for n in range(1, 11)]
    assert "32 rows" in said[-1]


def test_the_folder_holds_a_hugging_face_model_and_nothing_else(tmp_path: Path) -> None:
    trained = sft(job_at(tmp_path, TINY, scratch_rows()), steps=2)
    assert sorted(digests(tmp_path / "out")) == [
        "config.json",
        "curve.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    decoding = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert decoding["do_sample"] is False
    assert decoding["eos_token_id"] != decoding["pad_token_id"]
    assert decoding["max_new_tokens"] == 16
    assert "{% generation %}" in tokenizer["chat_template"]
    assert json.loads((tmp_path / "out" / "curve.json").read_text()) == trained.curve


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        job = job_at(tmp_path / name, TINY, scratch_rows(), validation=scratch_rows()[:4], seed=seed)
        sft(job, steps=6, batch_size=8, word_dropout=0.3, prompt_dropout=0.1, label_smoothing=0.1)
    first, second, other = (digests(tmp_path / name / "out") for name in "abc")
    assert first == second
    assert first["model.safetensors"] != other["model.safetensors"]


class Interrupted(Exception):
    """Stands for the power going off."""


def test_an_interrupted_training_ends_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    def stop_at_9(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 9:
            raise Interrupted

    said: list[str] = []
    whole = job_at(tmp_path / "whole", TINY, scratch_rows(), validation=scratch_rows()[:4])
    broken = job_at(tmp_path / "broken", TINY, scratch_rows(), validation=scratch_rows()[:4], progress=stop_at_9)
    sft(whole, steps=20, batch_size=8, word_dropout=0.3)
    with pytest.raises(Interrupted):
        sft(broken, steps=20, batch_size=8, word_dropout=0.3)
    assert not (tmp_path / "broken" / "out").exists()
    resumed = replace(broken, progress=lambda *_: None, say=said.append)
    sft(resumed, steps=20, batch_size=8, word_dropout=0.3)
    assert any(sentence.startswith("goes on from step") for sentence in said)
    assert digests(tmp_path / "whole" / "out") == digests(tmp_path / "broken" / "out")


def test_resume_state_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    said: list[str] = []
    job = job_at(tmp_path, TINY, scratch_rows(), say=said.append)
    sft(job, steps=4)
    sft(job, steps=5)
    assert not any("goes on" in sentence for sentence in said)


def test_computed_settings_are_said_with_their_reason_and_kept(tmp_path: Path) -> None:
    said: list[str] = []
    trained = sft(job_at(tmp_path, TINY, scratch_rows(), say=said.append), epochs=1, batch_size=8)
    assert "learning_rate 0.002 (from random weights, width 32)" in said
    assert "steps 4 (1 epochs of 32 rows at batch 8)" in said
    assert trained.chosen["learning_rate"] == {"value": 0.002, "why": "from random weights, width 32"}
    assert trained.steps == 4


def test_training_goes_on_from_a_folder_with_a_lower_rate(tmp_path: Path) -> None:
    sft(job_at(tmp_path / "first", TINY, scratch_rows()), steps=2)
    trained = sft(job_at(tmp_path / "second", tmp_path / "first" / "out", scratch_rows()), steps=2)
    assert trained.chosen["learning_rate"] == {"value": 2e-4, "why": "from 0.02M parameters"}
    first, second = digests(tmp_path / "first" / "out"), digests(tmp_path / "second" / "out")
    assert first["tokenizer.json"] == second["tokenizer.json"]
    assert first["tokenizer_config.json"] == second["tokenizer_config.json"]
    assert first["model.safetensors"] != second["model.safetensors"]


def test_rows_that_are_too_long_or_without_an_answer_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    rows = [*scratch_rows(), chat("load_" * 100, "Load."), {"messages": [{"role": "user", "content": "hello"}]}]
    sft(job_at(tmp_path, TINY, rows, say=said.append), steps=1, max_length=40)
    assert "train: 1 rows longer than 40 tokens and 1 without a good answer are left out" in said


def test_calls_of_tools_are_learnt_and_turns_of_weight_0_are_not(tmp_path: Path) -> None:
    from tunesmith.train.sft import rendered
    from tunesmith.train.start import start_from

    call = '[{"type": "function", "function": {"name": "find", "arguments": "{\\"q\\": 1}"}}]'
    row = {
        "id": "r1",
        "tools": '[{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]',
        "messages": [
            {"role": "user", "content": "load_config"},
            {"role": "assistant", "content": "Not this.", "weight": 0.0},
            {"role": "user", "content": "load_file"},
            {"role": "assistant", "content": None, "tool_calls": call},
        ],
    }
    job = job_at(tmp_path, TINY, [row, *scratch_rows()])
    start = start_from(job)
    line = rendered(job, job.train, start, 512, "train").sides[0][0]
    learnt = start.tokenizer.decode([token for token, mask in zip(line.ids, line.mask, strict=True) if mask])
    assert '"find"' in learnt
    assert "Not this" not in learnt
    assert "<tools>" in start.tokenizer.decode(line.ids)


def test_early_stop_ends_before_the_budget(tmp_path: Path) -> None:
    rows = scratch_rows()
    job = job_at(tmp_path, TINY, rows, validation=[chat("parse_index", "Utterly different words here.")])
    trained = sft(job, steps=400, batch_size=16, learning_rate=1e-2, patience=2)
    assert trained.steps < 400
    best = min(trained.curve, key=lambda entry: entry["validation_loss"])
    assert trained.steps == best["step"] + 80


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"steps": 3, "epochs": 1.0}, "Both steps and epochs are given."),
        ({"steps": 0}, "0 training steps is too few."),
        ({"max_length": 3}, "No training row has an answer within the length limit."),
        ({"learning_rate": 1e9, "steps": 50}, "The loss became"),
    ],
)
def test_a_mistake_in_the_options_is_named(options: dict[str, float], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sft(job_at(tmp_path, TINY, scratch_rows()), **options)  # type: ignore[arg-type]  # mistakes are the point
    assert caught.value.problem.startswith(problem)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("start", "problem", "hint"),
    [
        (Scratch("1.M"), "There is no size 'scratch:1.M'.", "Did you mean scratch:1M?"),
        (Scratch("0.1M", {"kinds": "bpe"}), "tokenizer: has no option 'kinds'.", "It knows kind, vocabulary, length."),
        (Scratch("0.1M", {"vocabulary": 9}), "A vocabulary of 9 is too small.", "Bytes and chat marks alone"),
        (Scratch("0.1M", {}, {"std": 1}), "init: has no option 'std'.", "It knows copy, embedding_std, length."),
        (Path("nowhere"), "nowhere is not a model folder.", "It needs config.json"),
    ],
)
def test_a_start_that_is_not_there_is_named(start: Scratch | Path, problem: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sft(job_at(tmp_path, start, scratch_rows()))
    assert caught.value.problem == problem
    assert caught.value.hint.startswith(hint)


def test_answers_to_held_out_prompts_are_watched_where_asked_for_and_change_no_weight(tmp_path: Path) -> None:
    def words(answers: Texts, expected: Texts) -> dict[str, float]:
        assert expected[0] == "Load the config."
        return {"words": sum(len(answer.split()) for answer in answers) / len(answers)}

    for name, watch in (("plain", False), ("watched", True)):
        job = job_at(tmp_path / name, TINY, scratch_rows(), validation=scratch_rows()[:8], watch=words)
        curve = sft(job, steps=4, watch=watch).curve
        assert all(("validation_words" in entry) == watch for entry in curve)
    plain, watched = (tmp_path / name / "out" / "model.safetensors" for name in ("plain", "watched"))
    assert plain.read_bytes() == watched.read_bytes()


def test_answers_that_are_judged_bad_are_not_learnt(tmp_path: Path) -> None:
    said: list[str] = []
    bad = [{**row, "desirable": False} for row in scratch_rows()[:5]]
    good = [{**row, "desirable": True} for row in scratch_rows()[5:]]
    sft(job_at(tmp_path, TINY, [*bad, *good], say=said.append), steps=1)
    assert "train: 0 rows longer than 512 tokens and 5 without a good answer are left out" in said
    assert any("27 rows" in sentence for sentence in said)


def test_the_parts_of_a_batch_hide_other_tokens(tmp_path: Path) -> None:
    start = start_from(job_at(tmp_path, TINY, scratch_rows()))
    row = Line(np.arange(3, 203, dtype=np.int32), np.ones(200, dtype=np.uint8))
    parts = [collate([row], pad=start.pad, whole=Whole(step=2, rows=2, tokens=400, part=part)) for part in (0, 1)]
    first, second = (hidden_words(start, part, word=0.5, prompt=0.0, seed=1).ids_BT for part in parts)
    assert 50 < int((first == start.pad).sum()) < 150
    assert not torch.equal(first, second)
