"""Preference tuning on answers with a thumb up or down, as its user sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.train.device import Device
from tunesmith.train.job import Scratch, Texts
from tunesmith.train.kto import AnswerLoss, Objective, Pairing, _rendered, kto
from tunesmith.train.start import start_from
from tunesmith.train.unpaired import MOST, Unpaired, balanced, partners


def thumbs() -> list[dict[str, Any]]:
    """The pairs as single answers: `Load the config.` is good, `loads the config` is not."""
    return [
        {"messages": [*row["messages"], *row[side]], "desirable": side == "chosen"}
        for row in pair_rows()
        for side in ("chosen", "rejected")
    ]


def right(folder: Path) -> int:
    """How many of the 32 prompts get the good answer."""
    answers = LocalModel(folder).generate([row["messages"] for row in pair_rows()], Sampling())
    chosen = [row["chosen"][0]["content"] for row in pair_rows()]
    return sum(answer.text == wanted for answer, wanted in zip(answers, chosen, strict=True))


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_thumbs_turn_the_answers_to_the_good_ones(
    loss: Literal["kto", "apo_zero_unpaired"], tuned: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    job = job_at(tmp_path, tuned, thumbs(), validation=thumbs()[:16], say=said.append)
    trained = kto(job, loss=loss, steps=60, learning_rate=1e-3)
    assert right(tuned) < 16
    assert right(tmp_path / "out") >= 28
    assert trained.curve[-1]["validation_margin"] > trained.curve[0]["validation_margin"]
    assert ("validation_kl" in trained.curve[0]) == (loss == "kto")
    assert any(sentence.startswith(f"kto: {loss}, 64 answers, 32 of them good, ") for sentence in said)


def test_pairs_and_single_answers_teach_the_same(tuned: Path, tmp_path: Path) -> None:
    for name, rows in (("pairs", pair_rows()), ("thumbs", thumbs())):
        kto(job_at(tmp_path / name, tuned, rows), steps=4)
    ours, theirs = (tmp_path / name / "out" / "model.safetensors" for name in ("pairs", "thumbs"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_rows_without_a_judgement_are_counted(tuned: Path, tmp_path: Path) -> None:
    said: list[str] = []
    rows = [*thumbs(), scratch_rows()[0], {**scratch_rows()[1], "desirable": None}]
    kto(job_at(tmp_path, tuned, rows, say=said.append), steps=1)
    assert "train: 2 rows are no pair and have no `desirable` for a last turn: they are left out" in said


def test_rows_that_are_all_good_are_refused(tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no undesirable answer"):
        kto(job_at(tmp_path, tuned, [row for row in thumbs() if row["desirable"]]))
    with pytest.raises(UserError, match="No row has an answer that is judged"):
        kto(job_at(tmp_path / "none", tuned, scratch_rows()))
    with pytest.raises(UserError, match="cannot start from random weights"):
        kto(job_at(tmp_path / "scratch", Scratch("0.1M"), thumbs()))


@pytest.mark.parametrize(("good", "bad"), [(100, 100), (120, 100), (10, 100), (100, 10), (133, 100)])
def test_weights_bring_good_and_bad_answers_into_the_papers_range(good: int, bad: int) -> None:
    up, down = balanced(good, bad, None, None)
    assert up is not None
    assert down is not None
    share = good * float(up.value) / (bad * float(down.value))
    assert 1 - 1e-9 <= share <= MOST + 1e-9
    assert min(float(up.value), float(down.value)) == 1.0
    assert f"{good} good and {bad} bad answers" in up.why


def test_a_weight_that_is_given_stays_and_the_other_follows_from_it() -> None:
    up, down = balanced(10, 100, None, 0.5)
    assert down is None
    assert up is not None
    assert float(up.value) == pytest.approx(5.0)
    assert balanced(10, 100, 2.0, 3.0) == (None, None)
    up, down = balanced(10, 100, 1.0, None)
    assert up is None
    assert down is not None
    assert float(down.value) == pytest.approx(0.1)


def test_weights_are_said_with_their_reason(tuned: Path, tmp_path: Path) -> None:
    said: list[str] = []
    rows = thumbs()[:16] + [row for row in thumbs()[16:] if not row["desirable"]]
    trained = kto(job_at(tmp_path, tuned, rows, say=said.append), steps=1)
    assert "desirable_weight 4 (8 good and 32 bad answers: the good weigh 1 times as much in all)" in said
    assert trained.chosen["undesirable_weight"]


def test_every_row_gets_the_answer_of_another_in_the_estimate_of_the_kl() -> None:
    found = partners(50, seed=3)
    assert sorted(found) == list(range(50))
    assert all(found[row] != row for row in range(50))
    assert (found == partners(50, seed=3)).all()


def measured(tuned: Path, tmp_path: Path, part_tokens: int | None, size: int) -> tuple[float, dict[str, float]]:
    rows = thumbs()
    for number, row in enumerate(rows):
        question, answer = row["messages"]
        row["messages"] = [question, {**answer, "content": answer["content"] + " now" * (number % 5)}]
    job = job_at(tmp_path, tuned, rows)
    start = replace(start_from(job, Device("cpu", bfloat16=False)), part_tokens=part_tokens)
    learnt, up = _rendered(job, rows, start, 512, "train")
    loss = AnswerLoss(start, Objective("kto", 0.3, 1.0, (1.5, 1.0)), Pairing(((learnt, up),), 0, 512))
    reference = loss.reference(learnt)
    reference[:, 0] += torch.linspace(-2, 2, len(learnt))
    reference[:, 1] -= 0.7
    parts = list(loss.parts(learnt, np.arange(len(learnt)), 0))
    assert (len(parts) > 1) == (part_tokens is not None)
    total = sum(loss(part, reference)[0].item() for part in parts)
    assert loss.kl is not None
    assert loss.kl.item() == pytest.approx(0.7, abs=1e-4)
    return total, loss.validation(learnt, reference, size=size)


def test_loss_and_measurements_do_not_depend_on_how_answers_are_batched(tuned: Path, tmp_path: Path) -> None:
    whole, numbers = measured(tuned, tmp_path / "whole", None, 64)
    parted, numbers_in_parts = measured(tuned, tmp_path / "parted", 100, 5)
    assert parted == pytest.approx(whole, rel=1e-5)
    assert numbers["validation_loss"] == pytest.approx(whole, rel=1e-5)
    assert numbers_in_parts == pytest.approx(numbers, rel=1e-4)


def test_only_good_answers_are_expected_where_answers_are_watched(tuned: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def look(answers: Texts, expected: Texts) -> dict[str, float]:
        seen.extend(expected)
        return {"meaning": 0.5, "words": 3.0}

    kto(job_at(tmp_path, tuned, thumbs(), validation=thumbs()[:16], watch=look), steps=1)
    assert set(seen) == {row["chosen"][0]["content"] for row in pair_rows()[:8]}


def test_a_pair_is_two_judged_rows_and_a_chat_is_one() -> None:
    pair, chat = pair_rows()[0], thumbs()[0]
    judged = list(Unpaired([{**pair, "weight": 2.0, "id": "p"}, chat]))
    assert [row["desirable"] for row in judged] == [True, False, True]
    assert [row.get("weight") for row in judged] == [2.0, 2.0, None]
    assert judged[2] == {"messages": pair["messages"], "answer": pair["chosen"], "desirable": True}
