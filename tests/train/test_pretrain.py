"""Pre-training learns, measures by hand-checked numbers, and goes on to the same bytes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.running import bytes_of_folder
from tests.train.document_toys import text_rows
from tests.train.rank_toys import together, train
from tests.train.train_toys import chat, job_at
from transformers import AutoModelForCausalLM, AutoTokenizer

from tunesmith.core.errors import UserError
from tunesmith.train.budget import Chosen
from tunesmith.train.device import Device
from tunesmith.train.documents import write_documents
from tunesmith.train.job import Job, Scratch
from tunesmith.train.language import HeldOut
from tunesmith.train.loop import _Saver
from tunesmith.train.pretrain import pretrain, steps_of_text
from tunesmith.train.start import Start, start_from

TOY = Scratch("0.1M", {"vocabulary": 300}, {"length": 64})
QUICK = {"batch_size": 4, "length": 32, "learning_rate": 1e-2, "precision": "float32"}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def job_of(folder: Path, seed: int = 0) -> Job:
    return job_at(folder, TOY, text_rows(40), validation=text_rows(6, seed=500), seed=seed)


def test_it_learns_more_than_how_often_each_token_comes(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    done = pretrain(job, steps=60, **QUICK)
    tokenizer = AutoTokenizer.from_pretrained(job.out)
    known, held = (
        write_documents(rows, tokenizer, tmp_path / "x").ids.tolist() for rows in (job.train, job.validation)
    )
    often = Counter(known)
    total = len(known) + len(tokenizer)
    unigram = -sum(math.log((often[token] + 1) / total) for token in held) / len(held)
    assert done.curve[-1]["validation_loss"] < 0.7 * unigram
    assert done.facts["tokens"] == 60 * 4 * 32
    assert done.facts["unique_tokens"] == len(known)
    assert done.epochs == pytest.approx(240 / (len(known) // 32))


def test_bits_a_byte_are_those_of_a_loop_over_documents(tmp_path: Path) -> None:
    rows = [*text_rows(3), {"text": "Größe.", "domain": "german"}, {**chat("Who?", "A dog."), "domain": "chats"}]
    job = job_at(tmp_path, TOY, text_rows(9), validation=rows)
    start = start_from(job, Device("cpu", bfloat16=False))
    documents = write_documents(rows, start.tokenizer, tmp_path / "held")
    found = HeldOut(documents, 16).numbers(start)
    nats = [nats_of(start, documents.text_ids(i).tolist(), 16) for i in range(len(documents))]
    assert found["loss"] == pytest.approx(sum(map(sum, nats)) / documents.tokens, rel=1e-5)
    whole = sum(len(row["text"].encode()) for row in rows[:4]) + int(documents.bytes[4])
    assert found["bits_per_byte"] == pytest.approx(sum(map(sum, nats)) / math.log(2) / whole, rel=1e-5)
    assert found["bits_per_byte_german"] == pytest.approx(sum(nats[3]) / math.log(2) / 8, rel=1e-5)
    assert found["loss_chats"] == pytest.approx(np.mean(nats[4]), rel=1e-5)


def nats_of(start: Start, ids: list[int], length: int) -> list[float]:
    """Nats of each token of a document, from the pieces before it in windows of this length."""
    stop, found = start.tokenizer.eos_token_id, []
    for begin in range(0, len(ids), length):
        piece = ids[begin : begin + length]
        seen = torch.tensor([[ids[begin - 1] if begin else stop, *piece[:-1]]])
        with torch.no_grad():
            logps = start.model(input_ids=seen).logits[0].log_softmax(-1)
        found += [-logps[place, token].item() for place, token in enumerate(piece)]
    return found


def test_pieces_of_held_out_text_are_predicted_once_or_evenly_if_there_are_many(tmp_path: Path) -> None:
    start = start_from(job_of(tmp_path), Device("cpu", bfloat16=False))
    documents = write_documents(text_rows(7), start.tokenizer, tmp_path / "held")
    every = HeldOut(documents, 10).nats(start)
    places = [(document, begin + i) for document, begin, nats in every for i in range(len(nats))]
    assert sorted(places) == [(i, place) for i, length in enumerate(documents.lengths) for place in range(length)]
    some = HeldOut(documents, 10, most=documents.tokens // 3).nats(start)
    assert len({document for document, *_ in some}) == 7
    assert sum(len(nats) for *_, nats in some) <= documents.tokens // 3 + 10


@pytest.mark.parametrize("at", [1, 7])
def test_killed_at_a_step_it_goes_on_to_the_same_bytes(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Saver, "is_due", lambda _: True)
    rows = [{**row, "domain": "ab"[place % 2], "weight": 0.7} for place, row in enumerate(text_rows(20))]
    given = {**QUICK, "steps": 9, "domains": {"a": 0.75, "b": 0.25}, "apart": True}

    def stop(step: int, *_: object) -> None:
        if step == at:
            raise KeyboardInterrupt

    jobs = [job_at(tmp_path / name, TOY, rows, validation=text_rows(3, seed=500)) for name in "ab"]
    pretrain(jobs[0], **given)
    with pytest.raises(KeyboardInterrupt):
        pretrain(replace(jobs[1], progress=stop), **given)
    said: list[str] = []
    pretrain(replace(jobs[1], say=said.append), **given)
    assert any("goes on from step" in line for line in said) == (at > 1)
    assert bytes_of_folder(jobs[0].out) == bytes_of_folder(jobs[1].out)


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    pretrain(job_of(tmp_path), steps=3, **QUICK)
    start = (tmp_path / "out").rename(tmp_path / "start")
    together(start, tmp_path, "ddp:pretrain")
    train("pretrain", start, tmp_path / "alone")
    models = [AutoModelForCausalLM.from_pretrained(tmp_path / name / "out") for name in ("alone", "ddp:pretrain")]
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert (one - other).abs().max() < 1e-6


def test_a_doubtful_budget_is_said_and_not_refused(tmp_path: Path) -> None:
    done = pretrain(job_at(tmp_path, TOY, text_rows(2)), epochs=6, **QUICK)
    assert done.epochs > 5
    assert "text was repeated" in done.warnings[0]
    assert "tokens a parameter" in done.warnings[1]
    assert not done.curve[-1].keys() & {"validation_loss"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"length": 65}, "the model holds 64"),
        ({"tokens": 9, "epochs": 1}, "tokens and epochs are given"),
        ({"domains": {"code": 1.0}}, "no document is of the domain 'code'"),
        ({"domains": {"text": 0.5}}, "do not add up to 1"),
        ({"steps": 0}, "0 training steps is too few"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        pretrain(job_of(tmp_path), **{**QUICK, **given})  # type: ignore[arg-type]  # wrong on purpose


def test_without_text_nothing_is_learnt(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(UserError, match="No training row has text"):
        pretrain(job_at(tmp_path, TOY, [{"text": ""}], say=said.append), **QUICK)
    assert "train: 1 rows without text are left out" in said


def test_the_budget_is_four_epochs_from_random_weights_and_one_further_on() -> None:
    for scratch, steps in ((True, 40), (False, 10)):
        chosen = Chosen(lambda _: None)
        assert steps_of_text(chosen, None, None, None, drawn=1000, step=100, scratch=scratch) == steps
    assert steps_of_text(Chosen(lambda _: None), 2e3, None, None, drawn=1000, step=100, scratch=True) == 20
