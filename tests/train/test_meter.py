"""Tokens a second and MFU: what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.train_toys import job_at, scratch_rows
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.costs.anatomy import anatomy_of
from tunesmith.costs.peaks import listed_flops
from tunesmith.train.batches import mean_length
from tunesmith.train.device import Device
from tunesmith.train.job import Scratch
from tunesmith.train.meter import Meter
from tunesmith.train.peak import peak_flops
from tunesmith.train.sft import sft

CONFIG = LlamaConfig(
    vocab_size=500, hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, tie_word_embeddings=False, bos_token_id=None, eos_token_id=1, pad_token_id=0,
)  # fmt: skip


def test_the_body_is_what_the_layers_matrices_hold() -> None:
    layers = LlamaForCausalLM(CONFIG).model.layers
    assert anatomy_of(CONFIG).body == sum(weight.numel() for weight in layers.parameters() if weight.dim() == 2)


def test_operations_are_six_a_weight_and_causal_attention() -> None:
    anatomy = anatomy_of(CONFIG)
    head = 500 * 64
    attention = 6 * 3 * 64 * 100
    assert anatomy.flops(100) == 6 * (anatomy.body + head) + attention
    assert anatomy.flops(100, labels=0.25) == 6 * (anatomy.body + head / 4) + attention
    assert anatomy.flops(100, adapter=1000) == 4 * (anatomy.body + head) + 6 * 1000 + attention


def test_operations_agree_with_those_that_trl_counts() -> None:
    utils = pytest.importorskip("trl.trainer.utils", reason="trl is in the dev extra")
    # TRL counts attention as a full square: a causal row of twice the length costs the same.
    assert anatomy_of(CONFIG).flops(200) == utils.compute_flops_per_token(CONFIG, 100)


def test_the_mean_length_is_that_of_the_row_a_token_stands_in() -> None:
    assert mean_length(np.array([10, 30])) == pytest.approx((10 * 10 + 30 * 30) / 40)


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA H20", 148),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362),
        ("NVIDIA L4", 121),
        ("Something else", None),
    ],
)
def test_a_gpu_is_found_by_its_name(name: str, tflops: float | None) -> None:
    assert listed_flops(name) == (None if tflops is None else tflops * 1e12)


def test_the_peak_of_a_processor_is_measured_once_and_draws_nothing() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = peak_flops(Device("cpu", bfloat16=False))
    assert torch.rand(1) == expected
    assert first is not None
    assert first > 1e8
    assert peak_flops(Device("cpu", bfloat16=False)) == first


def test_mfu_is_the_rate_times_the_work_over_the_peak() -> None:
    meter = Meter(flops_per_token=100.0, peak_flops=lambda: 1e6)
    assert meter.numbers() == {}
    meter.add(type("Part", (), {"there": 50}))
    meter.end_of_step()
    numbers = meter.numbers()
    assert numbers["mfu"] == pytest.approx(numbers["tokens_a_second"] * 100 / 1e6)
    unknown = Meter(flops_per_token=100.0)
    unknown.add(type("Part", (), {"there": 50}))
    unknown.end_of_step()
    assert set(unknown.numbers()) == {"tokens_a_second"}


def test_speed_is_shown_while_training_and_enters_no_file(tmp_path: Path) -> None:
    shown: list[Mapping[str, float]] = []
    job = job_at(tmp_path, Scratch("0.1M"), scratch_rows(), progress=lambda _, __, numbers: shown.append(numbers))
    trained = sft(job, steps=2, batch_size=8)
    assert {"tokens_a_second", "mfu"} <= set(shown[-1])
    assert 0 < shown[-1]["mfu"] < 1.5
    assert not {"tokens_a_second", "mfu"} & set(trained.curve[-1])
    assert "tokens_a_second" not in (tmp_path / "out" / "curve.json").read_text()
