"""A whole estimate."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tunesmith.core.errors import UserError
from tunesmith.costs.estimate import Work, estimate
from tunesmith.costs.methods import method_of
from tunesmith.costs.shapes import shape_of

LORA = Work(shape_of("8B"), method=method_of("lora"), tokens=1e7, length=2048, longest=2048, gpu="H100", gpus=8)


def test_lora_of_8b_fits_a_card_and_is_told_as_plain_data() -> None:
    found = estimate(LORA)
    assert found.fits
    assert found.precision == "bfloat16"
    assert not found.checkpointing
    told = json.loads(json.dumps(found.as_json()))
    assert told["memory"]["peak"] == pytest.approx(sum(told["memory"]["parts"].values()) - told["memory"]["apart"])
    assert told["hours"]["low"] < told["hours"]["likely"] < told["hours"]["high"]
    assert told["money"]["likely"] == pytest.approx(told["hours"]["likely"] * 8 * 2.95 * 1.1)


def test_full_tuning_of_70b_does_not_fit_one_card_but_eight_in_shards() -> None:
    full = replace(LORA, shape=shape_of("Llama-3.1-70B"), method=method_of(None), gpus=1, gpu="H200")
    alone = estimate(full)
    assert alone.fits is False
    shards = estimate(replace(full, gpus=8, shard=True))
    assert shards.fits
    assert shards.memory.optimizer == alone.memory.optimizer / 8


def test_what_fits_leaves_a_tenth_to_gaps() -> None:
    full = estimate(replace(LORA, method=method_of(None), gpus=1, precision="bfloat16", longest=12288))
    assert full.memory.peak < 80e9
    assert full.fits is False


def test_twice_the_devices_take_half_the_hours_at_the_same_price() -> None:
    one, two = (estimate(replace(LORA, gpus=many)) for many in (4, 8))
    assert one.hours
    assert two.hours
    assert one.money
    assert two.money
    assert one.hours.likely == pytest.approx(2 * two.hours.likely)
    assert one.money.likely == pytest.approx(two.money.likely)


def test_what_is_not_known_is_not_made_up() -> None:
    assert estimate(replace(LORA, tokens=None)).hours is None
    assert estimate(replace(LORA, gpu="L4", gpus=1)).money is None
    assert estimate(replace(LORA, precision="float32")).hours is None
    here = estimate(replace(LORA, gpu=None, gpus=1))
    assert (here.hours, here.money, here.fits) == (None, None, None)
    assert estimate(replace(LORA, gpu=None, gpus=1), cpu_flops=1e11, memory=1e9).fits is False


def test_a_pair_has_two_rows() -> None:
    sft, dpo = (estimate(replace(LORA, trainer=name, batch=8, gpus=1)) for name in ("sft", "dpo"))
    assert dpo.parts == 2 * sft.parts


def test_a_pre_training_is_asked_whether_it_is_sensible() -> None:
    found = estimate(replace(LORA, method=method_of(None), trainer="pretrain", tokens=1e9, shard=True))
    assert found.sense
    assert found.sense.advice.startswith("Do not pre-train")
    assert estimate(LORA).sense is None


@pytest.mark.parametrize(("name", "near"), [("sfft", "sft"), ("rlfh", "rlhf")])
def test_an_unknown_trainer_is_refused_with_near_names(name: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        replace(LORA, trainer=name)
    assert near in caught.value.hint


def test_an_unknown_method_is_refused_with_near_names() -> None:
    with pytest.raises(UserError, match="no method 'lorra'"):
        method_of("lorra")
