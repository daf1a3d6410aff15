"""Reward models, as their user sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.train_toys import NOUNS, VERBS, chat, job_at, pair_rows, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.models.reward_model import RewardModel, is_reward_model
from tunesmith.train.job import Adapter, Job, Scratch, Trained
from tunesmith.train.reward import Preference, RewardLoss, reward
from tunesmith.train.reward_pairs import conflicts_of, pairs_of
from tunesmith.train.reward_start import reward_start
from tunesmith.train.sft import sft

START = Scratch("0.1M", {"kind": "words", "vocabulary": 320})


def politeness() -> list[dict[str, Any]]:
    """64 pairs of equal length: please is better than quick, on both ends of the length scale."""
    answers = (("please {}", "quick {}"), ("please {} it now", "quick {} it now"))
    return [
        {
            **chat(f"{verb}_{noun}", ""),
            "messages": chat(f"{verb}_{noun}", "")["messages"][:1],
            "chosen": [{"role": "assistant", "content": good.format(verb)}],
            "rejected": [{"role": "assistant", "content": bad.format(verb)}],
        }
        for verb in VERBS
        for noun in NOUNS
        for good, bad in answers
    ]


def given(row: Mapping[str, Any], side: str) -> str:
    return str(row[side][0]["content"])


def told_apart(folder: Path, rows: list[dict[str, Any]]) -> float:
    model = RewardModel(folder)
    chosen, rejected = (model.of_answers(rows, [given(row, side) for row in rows]) for side in ("chosen", "rejected"))
    return sum(a > b for a, b in zip(chosen, rejected, strict=True)) / len(rows)


def fitted(job: Job, **options: Any) -> Trained:
    return reward(job, **{"steps": 20, "batch_size": 16, "learning_rate": 3e-3, **options})


def facts(trained: Trained) -> Mapping[str, Any]:
    return trained.facts["reward"]  # type: ignore[return-value]  # a mapping


def test_a_reward_model_tells_answers_of_one_length_apart_and_says_what_it_is_worth(tmp_path: Path) -> None:
    rows = politeness()
    trained = fitted(job_at(tmp_path, START, rows[::2] + rows[1::4], validation=rows[3::4]))
    found = facts(trained)
    assert found["accuracy"]["value"] == 1.0
    assert found["accuracy"]["n"] == found["pairs"] == 16
    assert found["length"]["matched"]["value"] == 1.0
    assert found["length"]["by_rule"]["value"] == 0.5
    assert found["verdict"].startswith("accuracy 1.000")
    assert "better than the rule" in found["verdict"]
    assert trained.warnings == ()
    assert trained.curve[-1]["validation_loss"] < trained.curve[0]["validation_loss"]
    assert told_apart(tmp_path / "out", rows[3::4]) == 1.0


def test_the_folder_is_one_that_transformers_reads_and_reads_the_same_rewards_from(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    fitted(job_at(tmp_path, START, pair_rows()), steps=3)
    assert is_reward_model(tmp_path / "out")
    model = RewardModel(tmp_path / "out")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert (theirs.config.num_labels, theirs.config.pad_token_id) == (1, model.tokenizer.pad_token_id)
    chats = [[*row["messages"], *row["chosen"]] for row in pair_rows()[:5]]
    texts = [model.tokenizer.apply_chat_template(turns, tokenize=False) for turns in chats]
    batch = model.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        assert model.of_chats(chats) == pytest.approx(theirs(**batch).logits[:, 0].tolist(), abs=1e-5)


def test_rewards_do_not_depend_on_the_batch_and_long_chats_are_read_from_their_end(tmp_path: Path) -> None:
    fitted(job_at(tmp_path, replace(START, init={"length": 40}), pair_rows()), steps=3)
    model = RewardModel(tmp_path / "out")
    chats = [[*row["messages"], *row["chosen"]] for row in pair_rows()[:4]]
    long = [{"role": "user", "content": "load_config " * 40}, *chats[0][1:]]
    together = model.of_chats([*chats, long])
    assert model.shortened == 1
    assert [model.of_chats([one])[0] for one in [*chats, long]] == pytest.approx(together, abs=1e-5)


def test_an_interrupted_reward_model_ends_with_the_same_bytes(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop_at_5(step: int, of: int, numbers: Mapping[str, float]) -> None:
        if step == 5:
            raise Interrupted

    whole = job_at(tmp_path / "whole", START, pair_rows(), validation=pair_rows()[:8])
    broken = job_at(tmp_path / "broken", START, pair_rows(), validation=pair_rows()[:8], progress=stop_at_5)
    options = {"steps": 10, "batch_size": 8, "word_dropout": 0.2}
    expected = fitted(whole, **options)
    with pytest.raises(Interrupted):
        fitted(broken, **options)
    assert fitted(replace(broken, progress=lambda *_: None), **options).facts == expected.facts
    for name in ("model.safetensors", "curve.json", "config.json", "tokenizer_config.json"):
        ours, theirs = (tmp_path / part / "out" / name for part in ("whole", "broken"))
        assert hashlib.sha256(ours.read_bytes()).digest() == hashlib.sha256(theirs.read_bytes()).digest(), name


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writer")
    sft(job_at(folder, START, scratch_rows()), steps=5, batch_size=16)
    return folder / "out"


def test_the_body_is_the_checkpoints_and_only_the_head_follows_the_seed(writer: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    one, other = (reward_start(job_at(tmp_path, writer, pair_rows(), seed=seed)).model for seed in (1, 2))
    weights = load_file(writer / "model.safetensors")
    body = {name: weight for name, weight in one.state_dict().items() if name != "score.weight"}
    assert body
    assert all(torch.equal(weight, weights[name]) for name, weight in body.items())
    heads = [model.state_dict()["score.weight"] for model in (one, other, one)]
    assert heads[0].shape == (1, 32)
    assert not torch.equal(heads[0], heads[1])
    again = reward_start(job_at(tmp_path, writer, pair_rows(), seed=1)).model
    assert torch.equal(again.state_dict()["score.weight"], heads[0])


def test_an_adapter_is_merged_and_an_adapters_checkpoint_is_a_start(writer: Path, tmp_path: Path) -> None:
    said: list[str] = []
    adapted = replace(
        job_at(tmp_path / "a", writer, pair_rows(), say=said.append), adapter=Adapter("lora", {"rank": 4})
    )
    trained = fitted(adapted, learning_rate=1e-2)
    assert trained.trained < trained.parameters
    assert told_apart(tmp_path / "a" / "out", pair_rows()) > 0.9
    assert any("merged into its base" in sentence for sentence in said)
    sft(replace(job_at(tmp_path / "lora", writer, scratch_rows()), adapter=Adapter("lora")), steps=3)
    fitted(job_at(tmp_path / "b", tmp_path / "lora" / "out", pair_rows()))
    assert told_apart(tmp_path / "b" / "out", pair_rows()) > 0.9


def test_a_reward_model_is_trained_further_with_its_head(tmp_path: Path) -> None:
    fitted(job_at(tmp_path / "first", START, pair_rows()))
    job = job_at(tmp_path / "second", tmp_path / "first" / "out", pair_rows())
    before = RewardModel(tmp_path / "first" / "out").model.state_dict()["score.weight"]
    assert torch.equal(reward_start(job).model.state_dict()["score.weight"], before)


@pytest.mark.parametrize("kind", ["ia3", "prefix", "prompt", "qlora"])
def test_adapters_that_cannot_be_merged_are_refused(kind: str, writer: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"cannot be trained as a {kind} adapter"):
        fitted(replace(job_at(tmp_path, writer, pair_rows()), adapter=Adapter(kind)))


def test_the_start_from_virtual_tokens_is_refused(writer: Path, tmp_path: Path) -> None:
    sft(replace(job_at(tmp_path, writer, scratch_rows()), adapter=Adapter("prompt", {"tokens": 3})), steps=1)
    with pytest.raises(UserError, match="cannot start from a prompt adapter"):
        fitted(job_at(tmp_path / "r", tmp_path / "out", pair_rows()))


def test_one_batch_in_parts_has_the_loss_of_the_whole_and_margins_raise_it(tmp_path: Path) -> None:
    rows = [
        {**row, "chosen": [{"role": "assistant", "content": given(row, "chosen") + " now" * (number % 5)}]}
        for number, row in enumerate(pair_rows())
    ]
    job = job_at(tmp_path, START, rows)
    start = reward_start(job)

    def loss_of(rows: list[dict[str, Any]], part_tokens: int | None) -> float:
        pairs = pairs_of(job, rows, start, 512, "train")
        loss = RewardLoss(replace(start, part_tokens=part_tokens), Preference(0.1, 0.1))
        parts = list(loss.parts(pairs.rendered, np.arange(len(rows)), 0))
        assert (len(parts) > 1) == (part_tokens is not None)
        total = sum(loss(part, pairs.margins)[0].item() for part in parts)
        assert loss.validation(pairs)["validation_loss"] == pytest.approx(total, rel=1e-5)
        return total

    whole = loss_of(rows, None)
    assert loss_of(rows, 100) == pytest.approx(whole, rel=1e-5)
    some = [{**row, "margin": 1.0 if number % 2 else None} for number, row in enumerate(rows)]
    assert loss_of(some, None) > whole + 0.1


def test_a_margin_below_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has the margin -1"):
        fitted(job_at(tmp_path, START, [{**pair_rows()[0], "margin": -1}]))


def test_centring_brings_rewards_to_nought(tmp_path: Path) -> None:
    def middle(center: float) -> float:
        folder = tmp_path / str(center)
        fitted(job_at(folder, START, pair_rows()), steps=60, center=center)
        model, rows = RewardModel(folder / "out"), pair_rows()
        both = [model.of_answers(rows, [given(row, side) for row in rows]) for side in ("chosen", "rejected")]
        return float(np.abs(np.add(*both)).mean())

    assert middle(0.5) < 0.5 * middle(0.0)


def test_preferences_that_cannot_all_hold_are_told(tmp_path: Path) -> None:
    assert conflicts_of([[b"a", b"b", b"c"], [b"b", b"c", b"d"]]) == {"equal": 0, "contradictory": 0, "cyclic": 0}
    assert conflicts_of([[b"a", b"b", b"a"], [b"b", b"a", b"a"]]) == {"equal": 1, "contradictory": 2, "cyclic": 0}
    assert conflicts_of([[b"a", b"b", b"c", b"a"], [b"b", b"c", b"a", b"d"]])["cyclic"] == 3
    first = pair_rows()[0]
    turned = {**first, "chosen": first["rejected"], "rejected": first["chosen"]}
    trained = fitted(job_at(tmp_path, START, [*pair_rows(), turned]), steps=1)
    assert "2 training pairs are contradicted by another one" in trained.warnings[0]
    assert "no held-out pairs" in trained.warnings[1]


def test_pairs_beyond_the_length_limit_are_counted(tmp_path: Path) -> None:
    said: list[str] = []
    long = {**pair_rows()[0], "rejected": [{"role": "assistant", "content": "loads it " * 40}]}
    fitted(job_at(tmp_path, START, [*pair_rows(), long], say=said.append), steps=1, max_length=40)
    assert "train: 1 pairs longer than 40 tokens or without an answer are left out" in said


@pytest.mark.parametrize("options", [{"center": -1.0}, {"label_smoothing": 0.5}])
def test_a_loss_that_teaches_nothing_is_refused(options: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="label_smoothing from 0 to below"):
        fitted(job_at(tmp_path, START, pair_rows()), **options)
