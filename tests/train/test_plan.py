"""What is chosen for speed, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.train_toys import job_at, scratch_rows

from tunesmith.core.errors import UserError
from tunesmith.costs.memory import (
    A_LOGIT,
    CONTEXT,
    FRAGMENTED,
    LOGITS_AT_ONCE,
    PACKED_TOKENS,
    checkpointing_needed,
    tokens_of_part,
)
from tunesmith.train import plan
from tunesmith.train.device import Device, bfloat16_pays, gpu_precision, pick_device
from tunesmith.train.job import Scratch
from tunesmith.train.plan import compile_pays, cpu_attention, gpu_attention, usual_layout
from tunesmith.train.sft import sft

TINY = Scratch("0.1M", {"kind": "words", "vocabulary": 320})
GPU = Device("cuda", bfloat16=True)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("capabilities", "pays"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "Intel Core", "avx2": True}, False),
        ({}, False),
    ],
)
def test_a_processor_computes_in_bfloat16_where_that_is_faster(capabilities: dict[str, object], pays: bool) -> None:
    assert bfloat16_pays(capabilities)[0] is pays


def test_a_gpu_keeps_float32_weights_where_they_fit() -> None:
    assert gpu_precision(GPU, 3_000_000_000, 80 * 10**9, adapter=False).value == "bfloat16"
    assert gpu_precision(GPU, 1_200_000_000, 80 * 10**9, adapter=False).value == "mixed"
    assert gpu_precision(GPU, 8_000_000_000, 80 * 10**9, adapter=True).value == "bfloat16"
    assert gpu_precision(Device("cuda", bfloat16=False), 10**6, 16 * 10**9, adapter=True).value == "float32"
    assert "lost in rounding" in gpu_precision(GPU, 8_000_000_000, 80 * 10**9, adapter=False).why


def test_attention_on_a_processor_follows_precision_and_length() -> None:
    assert cpu_attention(Device("cpu", bfloat16=False), 20).value == "sdpa"
    assert cpu_attention(Device("cpu", bfloat16=True), 256).value == "eager"
    assert cpu_attention(Device("cpu", bfloat16=True), 257).value == "sdpa"


def test_layout_and_attention_on_a_gpu_are_chosen_together() -> None:
    for flash, flex, attention, layout in (
        ("flash_attention_2", True, "flash_attention_2", "packed"),
        (None, True, "flex_attention", "packed"),
        (None, False, "sdpa", "buckets"),
    ):
        chosen = str(gpu_attention(flash=flash, flex=flex).value)
        assert (chosen, usual_layout(GPU, chosen, prompts=False).value) == (attention, layout)
    assert usual_layout(GPU, "flash_attention_2", prompts=True).value == "buckets"


def test_a_part_is_a_power_of_two_that_fits_and_holds_a_row_at_least() -> None:
    assert tokens_of_part(5000, 900) == 4096
    assert tokens_of_part(10**9, 900) == PACKED_TOKENS
    assert tokens_of_part(700, 900) == 900
    assert checkpointing_needed(900.0, 901)
    assert checkpointing_needed(900.0, 10)
    assert not checkpointing_needed(5000.0, 901)


def test_compiling_pays_when_steps_take_long_enough() -> None:
    assert compile_pays(1e15, 1e12).value == "on"
    assert compile_pays(1e14, 1e12).value == "off"
    assert compile_pays(1e20, None).value == "off"


def test_what_is_chosen_is_said_and_kept_and_what_is_given_is_not(tmp_path: Path) -> None:
    said: list[str] = []
    trained = sft(job_at(tmp_path / "a", TINY, scratch_rows(), say=said.append), steps=1)
    for name in ("precision", "attention", "layout"):
        setting = trained.chosen[name]
        assert isinstance(setting, dict)
        assert f"{name} {setting['value']} ({setting['why']})" in said
    trained = sft(
        job_at(tmp_path / "b", TINY, scratch_rows()), steps=1, precision="float32", attention="sdpa", layout="packed"
    )
    assert not {"precision", "attention", "layout"} & set(trained.chosen)


@pytest.mark.parametrize(
    "given",
    [
        {"layout": "packed"},
        {"attention": "eager"},
        {"checkpointing": True},
        {"layout": "packed", "attention": "eager", "checkpointing": True},
    ],
)
def test_speed_settings_change_no_result_but_rounding(given: dict[str, object], tmp_path: Path) -> None:
    rows = scratch_rows()
    losses = []
    for name, more in (("plain", {}), ("other", given)):
        job = job_at(tmp_path / name, TINY, rows, validation=rows[:8])
        trained = sft(job, steps=10, batch_size=8, precision="float32", **more)  # type: ignore[arg-type]
        losses.append([entry["validation_loss"] for entry in trained.curve])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_a_step_that_would_not_fit_is_taken_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scratch_rows()
    job = job_at(tmp_path / "whole", TINY, rows, validation=rows[:8])
    whole = sft(job, steps=4, batch_size=32)
    assert "part_tokens" not in whole.chosen
    monkeypatch.setattr(plan, "CPU_ROOM", 1e6)
    parts = sft(job_at(tmp_path / "parts", TINY, rows, validation=rows[:8]), steps=4, batch_size=32)
    assert "part_tokens" in parts.chosen
    assert parts.curve[-1]["validation_loss"] == pytest.approx(whole.curve[-1]["validation_loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("spare", "parts", "light"), [(16e9, PACKED_TOKENS, False), (1.8e6, 256, True), (1e5, None, True)]
)
def test_a_card_decides_parts_and_checkpointing(
    spare: float, parts: int | None, light: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A processor that says it has a card's memory: what is computed from it can be tested, a GPU is not needed.
    memory = CONTEXT + (A_LOGIT * LOGITS_AT_ONCE + spare) / FRAGMENTED
    monkeypatch.setattr(Device, "memory", property(lambda _: int(memory)))
    monkeypatch.setattr("tunesmith.train.start._device", lambda *_: Device("cpu", bfloat16=False))
    job = job_at(tmp_path, TINY, scratch_rows())
    if parts is None:
        with pytest.raises(UserError, match="does not fit into the GPU's 3 GB"):
            sft(job, steps=1)
        return
    chosen = sft(job, steps=1).chosen
    assert chosen["part_tokens"]["value"] == parts  # type: ignore[index]  # a setting is a mapping
    assert ("checkpointing" in chosen) is light


def test_bfloat16_weights_train_and_are_written_as_such(tmp_path: Path) -> None:
    sft(job_at(tmp_path / "first", TINY, scratch_rows()), steps=1)
    job = job_at(tmp_path / "second", tmp_path / "first" / "out", scratch_rows(), validation=scratch_rows()[:8])
    trained = sft(job, steps=10, precision="bfloat16", learning_rate=1e-2)
    assert trained.curve[-1]["validation_loss"] < trained.curve[0]["validation_loss"]
    assert '"bfloat16"' in (tmp_path / "second" / "out" / "config.json").read_text()


def test_attention_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sft(job_at(tmp_path, TINY, scratch_rows()), steps=1, attention="flash_attention_2")
    assert caught.value.problem.startswith("attention: flash_attention_2 cannot be used here")


def test_the_device_says_its_precision() -> None:
    assert pick_device().at("bfloat16").weights == "bfloat16"
    assert str(pick_device().at("mixed")).endswith("bfloat16")
    assert str(pick_device().at("float32")).endswith("float32")
