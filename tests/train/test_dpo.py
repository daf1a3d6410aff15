"""Preference tuning, as its user sees it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.train_toys import job_at, pair_rows

from tunesmith.core.errors import UserError
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.device import Device
from tunesmith.train.dpo import PairLoss, dpo, rendered_pairs
from tunesmith.train.job import Scratch, Texts
from tunesmith.train.loop import Numbers
from tunesmith.train.objective import LossName, objective_of
from tunesmith.train.preferences import LOSSES
from tunesmith.train.start import start_from


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
    earlier = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Load the file."}]
    rows = [{**row, "messages": [*earlier, *row["messages"]]} for row in pair_rows()]
    job = job_at(tmp_path, tuned, rows)
    start = start_from(job)
    pairs = rendered_pairs(job, rows, start, 512, "train")
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


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_lowers_itself_on_held_out_pairs(loss: LossName, tuned: Path, tmp_path: Path) -> None:
    job = job_at(tmp_path, tuned, pair_rows(), validation=pair_rows()[::4])
    curve = dpo(job, loss=loss, steps=8, batch_size=16, learning_rate=3e-4).curve
    assert curve[-1]["validation_loss"] < curve[0]["validation_loss"]


def test_losses_are_added_by_weight(tuned: Path, tmp_path: Path) -> None:
    def first(name: str, loss: LossName | dict[LossName, float], anchor: float | None) -> float:
        said: list[str] = []
        job = job_at(tmp_path / name, tuned, pair_rows(), validation=pair_rows()[:8], say=said.append)
        return dpo(job, loss=loss, anchor=anchor, steps=1, learning_rate=1e-6).curve[0]["validation_loss"]

    parts = [first("sigmoid", "sigmoid", 0.0), first("hinge", "hinge", 0.0), first("sft", "sft", None)]
    mixed = first("mixed", {"sigmoid": 0.5, "hinge": 2.0, "sft": 0.25}, None)
    assert mixed == pytest.approx(0.5 * parts[0] + 2 * parts[1] + 0.25 * parts[2], rel=1e-4)


def losses(tuned: Path, tmp_path: Path, loss: LossName, part_tokens: int | None, size: int) -> tuple[float, Numbers]:
    """A step's loss, from parts of at most so many tokens, and what is measured on held-out pairs."""
    rows = [
        {**row, "chosen": [{"role": "assistant", "content": row["chosen"][0]["content"] + " now" * (number % 5)}]}
        for number, row in enumerate(pair_rows())
    ]
    start = start_from(job_at(tmp_path, tuned, rows), Device("cpu", bfloat16=False))
    start = replace(start, part_tokens=part_tokens)
    pairs = rendered_pairs(job_at(tmp_path, tuned, rows), rows, start, 512, "train")
    loss_of = PairLoss(start, objective_of(loss, beta=0.3))
    reference = loss_of.reference(pairs) + torch.linspace(-2, 2, 2 * len(pairs)).reshape(-1, 2)
    parts = list(loss_of.parts(pairs, np.arange(len(pairs)), 0))
    assert len(parts) == 1 if part_tokens is None else len(parts) > 1 or loss_of.objective.whole_batch
    total = sum(loss_of(part, reference)[0].item() for part in parts)
    return total, loss_of.validation(pairs, reference, size=size)


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "aot", "sft"])
def test_loss_and_measurements_do_not_depend_on_how_rows_are_batched(
    loss: LossName, tuned: Path, tmp_path: Path
) -> None:
    whole, measured = losses(tuned, tmp_path / "whole", loss, None, 64)
    parted, measured_in_parts = losses(tuned, tmp_path / "parted", loss, 100, 5)
    assert parted == pytest.approx(whole, rel=1e-5)
    assert measured["validation_loss"] == pytest.approx(whole, rel=1e-5)
    assert measured_in_parts == pytest.approx(measured, rel=1e-5)


def unlike(answers: Texts, expected: Texts) -> dict[str, float]:
    """A toy of meaning: the share of answers that are as expected."""
    right = sum(answer == wanted for answer, wanted in zip(answers, expected, strict=True))
    return {"meaning": right / len(expected), "words": sum(len(answer.split()) for answer in answers) / len(answers)}


def test_the_first_entry_of_the_curve_is_the_start_and_answers_are_watched_throughout(
    tuned: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    job = job_at(tmp_path, tuned, pair_rows(), validation=pair_rows()[::4], say=said.append, watch=unlike)
    curve = dpo(job, steps=60, learning_rate=1e-3).curve
    assert [entry["step"] for entry in curve[:2]] == [0.0, 6.0]
    assert "loss" not in curve[0]
    assert (curve[0]["validation_margin"], curve[0]["validation_accuracy"]) == (0.0, 0.5)
    assert all({"validation_meaning", "validation_words", "validation_loss"} <= set(entry) for entry in curve)
    assert not any("eligible" in entry for entry in curve)
    assert curve[-1]["validation_meaning"] >= 0.8 > curve[0]["validation_meaning"]
    assert any(
        sentence.startswith("8 held-out prompts are answered at each measurement: meaning ") for sentence in said
    )


def damage(answers: Texts, expected: Texts) -> dict[str, float]:
    """Meaning that any change of the answers loses."""
    return {"meaning": 1 - unlike(answers, expected)["meaning"], "words": 3.0}


def test_an_over_tuned_model_is_not_kept_whatever_its_preference_accuracy(tuned: Path, tmp_path: Path) -> None:
    said: list[str] = []
    job = job_at(tmp_path, tuned, pair_rows(), validation=pair_rows()[::4], say=said.append, watch=damage)
    trained = dpo(job, steps=60, learning_rate=2e-3, patience=None)
    assert trained.curve[-1]["validation_accuracy"] == 1.0
    assert trained.curve[-1]["validation_loss"] < trained.curve[0]["validation_loss"]
    assert len(trained.warnings) == 1
    assert re.fullmatch(
        r"preference accuracy 1\.00, but meaning fell from \d\.\d\d to \d\.\d\d at step 60 "
        r"\(8 held-out answers\): over-tuned, the start is kept",
        trained.warnings[0],
    )
    assert f"warning: {trained.warnings[0]}" in said
    kept = LocalModel(tmp_path / "out").model.state_dict()
    begun = LocalModel(tuned).model.state_dict()
    assert all(torch.equal(kept[name], begun[name]) for name in begun)


def test_without_a_margin_the_over_tuned_model_is_kept(tuned: Path, tmp_path: Path) -> None:
    job = job_at(tmp_path, tuned, pair_rows(), validation=pair_rows()[::4], watch=damage)
    trained = dpo(job, steps=20, learning_rate=2e-3, meaning_margin=None)
    assert trained.warnings == ()
    assert answers_of(tmp_path / "out") != answers_of(tuned)


def test_watched_an_interrupted_tuning_ends_with_the_same_bytes(tuned: Path, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop_at_5(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 5:
            raise Interrupted

    rows = {"validation": pair_rows()[:8], "watch": unlike}
    dpo(job_at(tmp_path / "whole", tuned, pair_rows(), **rows), steps=10, batch_size=8)  # type: ignore[arg-type]
    broken = job_at(tmp_path / "broken", tuned, pair_rows(), progress=stop_at_5, **rows)  # type: ignore[arg-type]
    with pytest.raises(Interrupted):
        dpo(broken, steps=10, batch_size=8)
    dpo(replace(broken, progress=lambda *_: None), steps=10, batch_size=8)
    for name in ("model.safetensors", "curve.json"):
        ours, theirs = (tmp_path / part / "out" / name for part in ("whole", "broken"))
        assert ours.read_bytes() == theirs.read_bytes(), name
