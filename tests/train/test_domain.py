"""Domain tuning: it learns the domain, forgetting shows, and replay and margin bound it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train.text_toys import PLANTED, documents, domain_job, general_model

from tunesmith.core.errors import UserError
from tunesmith.train.documents import write_documents
from tunesmith.train.domain import domain, with_replay
from tunesmith.train.job import Adapter, Job, Scratch, Trained
from tunesmith.train.pretrain import pretrain
from tunesmith.train.start import start_from
from tunesmith.train.windows import Mixture, Stream

FEW: dict[str, Any] = {"steps": 20, "batch_size": 8, "length": 32, "learning_rate": 5e-3}


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return general_model(tmp_path_factory.mktemp("base"))


def changed(trained: Trained, text: str, when: str = "difference") -> float:
    told: Any = trained.facts["forgetting"]
    return float(told[text]["loss"][when]["value"])


def test_the_share_of_replay_is_exact_over_steps_and_near_it_in_each(base: Path, tmp_path: Path) -> None:
    tokenizer = start_from(domain_job(tmp_path, base), chats=False).tokenizer
    own, general = (
        write_documents(documents(20, planted=planted, seed=7), tokenizer, tmp_path / str(planted))
        for planted in (True, False)
    )
    mixture = with_replay(Mixture([Stream(own, length=16, seed=0)], [1.0]), general, 0.05)
    assert mixture.shares == [0.95, 0.05]
    marks = {tokenizer.encode(f" {word}")[0] for word in PLANTED}
    replayed = [sum(not marks & set(window[0].tolist()) for window in mixture.batch(step, 8)) for step in range(100)]
    assert sum(replayed) == 40  # 5 % of 800 windows
    assert set(replayed) == {0, 1}


def test_what_is_gained_and_forgotten_is_measured_from_before_the_first_step(base: Path, tmp_path: Path) -> None:
    trained = domain(domain_job(tmp_path, base), **FEW)
    first, best = trained.curve[0], min(trained.curve, key=lambda entry: entry["validation_loss"])
    assert first["step"] == 0
    assert changed(trained, "domain", "before") == pytest.approx(first["validation_loss"], rel=1e-6)
    assert changed(trained, "domain", "after") == pytest.approx(best["validation_loss"], rel=1e-6)
    assert changed(trained, "general", "before") == pytest.approx(first["validation_general_loss"], rel=1e-6)
    assert changed(trained, "general", "after") == pytest.approx(best["validation_general_loss"], rel=1e-6)
    told: Any = trained.facts["forgetting"]
    assert told["general"]["bits_per_byte"]["after"]["value"] == pytest.approx(
        best["validation_general_bits_per_byte"], rel=1e-6
    )
    assert told["domain"]["loss"]["difference"]["high"] < 0
    assert best["validation_bits_per_byte"] < first["validation_bits_per_byte"]


def test_the_domains_planted_words_are_its_terms_and_are_foretold_better(base: Path, tmp_path: Path) -> None:
    told: Any = domain(domain_job(tmp_path, base), **FEW).facts["terminology"]
    assert {term["word"] for term in told["terms"]} == set(PLANTED)
    assert told["all_terms"]["nats"]["difference"]["high"] < -1
    assert told["all_terms"]["nats"]["difference"]["value"] < told["other_words"]["nats"]["difference"]["value"]
    assert told["unread_documents"] == 0


def test_replay_forgets_less_than_none(base: Path, tmp_path: Path) -> None:
    settings = {**FEW, "steps": 40, "learning_rate": 1e-2}
    without = domain(domain_job(tmp_path / "a", base), replay_share=0.0, **settings)
    half = domain(domain_job(tmp_path / "b", base), replay_share=0.5, **settings)
    assert changed(half, "general") < changed(without, "general")
    assert without.facts["replay_share"] == 0


def test_weights_that_forgot_more_than_the_margin_are_not_kept(base: Path, tmp_path: Path) -> None:
    settings = {**FEW, "replay_share": 0.0, "term_occurrences": None}
    trained = domain(domain_job(tmp_path / "a", base), forgetting_margin=-10.0, **settings)
    assert changed(trained, "general") == 0
    assert changed(trained, "domain") == 0
    assert "forgetting_margin allows -10: the start is kept" in trained.warnings[0]
    free = domain(domain_job(tmp_path / "b", base), forgetting_margin=10.0, **settings)
    assert free.warnings == ()
    assert changed(free, "domain") < 0


def test_a_start_that_stays_the_best_is_kept_and_said(base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    trained = domain(domain_job(tmp_path, base, say=said.append), **{**FEW, "learning_rate": 3.0})
    assert trained.warnings == ("no measurement had a lower loss on the domain than the start: the start is kept",)
    assert f"warning: {trained.warnings[0]}" in said


def test_without_general_text_it_says_that_forgetting_is_not_measured(base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    trained = domain(domain_job(tmp_path, base, general=False, say=said.append), **FEW)
    assert any("what is forgotten is not measured" in sentence for sentence in said)
    assert set(trained.facts["forgetting"]) == {"domain"}  # type: ignore[call-overload]  # a mapping
    assert "terminology" not in trained.facts


def test_without_held_out_documents_the_last_weights_stay_and_general_text_is_still_measured(
    base: Path, tmp_path: Path
) -> None:
    job = replace(domain_job(tmp_path, base), validation=[])
    trained = domain(job, **FEW)
    assert set(trained.facts["forgetting"]) == {"general"}  # type: ignore[call-overload]  # a mapping
    assert trained.steps == 20


@pytest.mark.parametrize(
    ("general", "settings", "said"),
    [
        (False, {"replay_share": 0.1}, "there is no general text"),
        (False, {"forgetting_margin": 0.1}, "no held-out documents"),
        (True, {"replay_share": 1.0}, "replay_share 1 will not do"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    general: bool, settings: dict[str, float], said: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        domain(domain_job(tmp_path, base, general=general), **FEW, **settings)


def test_random_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot begin with random weights"):
        domain(domain_job(tmp_path, Scratch("0.1M")), **FEW)


def test_an_adapter_learns_the_domain_and_leaves_its_base_alone(base: Path, tmp_path: Path) -> None:
    before = (base / "model.safetensors").read_bytes()
    job = domain_job(tmp_path, base, adapter=Adapter("lora", {"rank": 4}))
    trained = domain(job, **{**FEW, "learning_rate": 2e-2})
    assert changed(trained, "domain") < 0
    assert trained.adapter is not None
    assert trained.adapter["kind"] == "lora"
    assert (base / "model.safetensors").read_bytes() == before
    assert not (job.out / "model.safetensors").exists()
    again = domain(domain_job(tmp_path / "again", job.out), **{**FEW, "steps": 2})  # that adapter, further
    assert changed(again, "domain", "before") == pytest.approx(changed(trained, "domain", "after"), rel=1e-4)


def test_an_adapter_whose_start_is_kept_is_no_error(base: Path, tmp_path: Path) -> None:
    job = domain_job(tmp_path, base, adapter=Adapter("lora", {"rank": 4}))
    trained = domain(job, forgetting_margin=-10.0, **FEW)
    assert trained.adapter is not None
    assert trained.adapter["moved"] == 0


def prints(job: Job, trained: Trained) -> tuple[str, str]:
    weights = hashlib.sha256((job.out / "model.safetensors").read_bytes()).hexdigest()
    return weights, repr((trained.facts, trained.curve))


def kill_at(folder: Path, start: Path, step: int) -> None:
    """Train, and kill this process with signal 9 after a step."""

    def die(done: int, of: int, numbers: object) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    domain(domain_job(folder, start, progress=die), **FEW)


def test_killed_and_run_again_it_ends_with_the_same_bytes_and_the_same_tables(base: Path, tmp_path: Path) -> None:
    whole = domain_job(tmp_path / "whole", base)
    undisturbed = prints(whole, domain(whole, **FEW))
    code = (
        "from pathlib import Path; from tests.train.test_domain import kill_at; "
        f"kill_at(Path({str(tmp_path / 'broken')!r}), Path({str(base)!r}), 7)"
    )
    process = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert process.returncode == -signal.SIGKILL
    said: list[str] = []
    broken = domain_job(tmp_path / "broken", base, say=said.append)
    assert prints(broken, domain(broken, **FEW)) == undisturbed
    assert any(sentence.startswith("goes on from step") for sentence in said)


def test_the_general_texts_order_does_not_follow_from_the_domains(base: Path, tmp_path: Path) -> None:
    tokenizer = start_from(domain_job(tmp_path, base), chats=False).tokenizer
    same = write_documents(documents(20, planted=False, seed=7), tokenizer, tmp_path / "same")
    mixture = with_replay(Mixture([Stream(same, length=16, seed=0)], [1.0]), same, 0.5)
    own, general = (stream.window(0) for stream in mixture.streams)
    assert not np.array_equal(own, general)


def test_pre_training_that_goes_on_with_an_adapter_tells_of_it(tmp_path: Path) -> None:
    base = general_model(tmp_path / "base")
    job = domain_job(tmp_path / "on", base, adapter=Adapter("lora", {"rank": 4}))
    trained = pretrain(job, steps=10, batch_size=8, length=32, learning_rate=1e-2)
    assert trained.adapter is not None
    assert trained.adapter["kind"] == "lora"
    assert float(str(trained.adapter["moved"])) > 0
    assert trained.trained < trained.parameters / 2
