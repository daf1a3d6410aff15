"""Hours and dollars: operations by method and trainer, lists that a user replaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import UserError
from tunesmith.costs.files import listed
from tunesmith.costs.methods import method_of, trained_weights
from tunesmith.costs.money import extra_share, money_of, price_of
from tunesmith.costs.peaks import gpu_named
from tunesmith.costs.shapes import shape_of
from tunesmith.costs.time import Range, hours_of, operations, prior

LLAMA = shape_of("Llama-3.1-8B").anatomy
FULL = method_of(None)


def work(trainer: str = "sft", kind: str | None = None, **more: Any) -> float:
    given = {"tokens": 1.0, "epochs": 1.0, "length": 2048.0} | more
    return operations(LLAMA, method_of(kind), trainer=trainer, **given)


def test_full_tuning_takes_six_operations_a_weight_and_an_adapter_four() -> None:
    weights = LLAMA.body + 128_256 * 4096
    attention = 6 * 32 * 4096 * 2048
    assert work() == 6 * weights + attention
    lora = trained_weights(LLAMA, method_of("lora"))
    assert work(kind="lora") == 4 * weights + 6 * lora + attention
    assert work(kind="qlora") == pytest.approx(1.4 * work(kind="lora"))


def test_a_token_of_a_pair_is_gone_through_again_by_the_reference_but_once() -> None:
    assert work("dpo") == pytest.approx(work() * 4 / 3)
    assert work("dpo", epochs=3.0) == pytest.approx(work() * (3 + 1 / 3))
    assert work("kto") == pytest.approx(work() * (1 + 3 / 3))
    assert work("rlhf") == pytest.approx(work() * 2)  # 6 N, and 2 N each for generation, reference and reward


def test_checkpointing_takes_a_forward_pass_more() -> None:
    assert work(checkpointing=True) == pytest.approx(work() * 4 / 3)


def test_virtual_tokens_are_tokens_too() -> None:
    assert work(kind="prompt", length=20.0) > 1.9 * work(kind="ia3", length=20.0)


def test_hours_are_operations_by_devices_peak_and_mfu() -> None:
    hours = hours_of(3600 * 989e12 * 0.35 * 8, 989e12, devices=8, gpu="H100")
    assert hours.likely == pytest.approx(1.0)
    assert hours.low == pytest.approx(0.35 / 0.5)
    assert hours.high == pytest.approx(0.35 / 0.25)
    assert prior("A100 40GB")[0] == 0.40
    assert "a guess" in prior("L4")[1]


def test_money_is_hours_by_price_and_what_comes_to_it() -> None:
    prices = listed("prices.yaml")
    assert price_of("H100", prices) == Range(1.99, 2.95, 5.0)
    assert price_of("L4", prices) is None
    money = money_of(Range(1.0, 2.0, 4.0), 8, Range(1.99, 2.95, 5.0), extra_share(prices))
    assert money.likely == pytest.approx(2 * 8 * 2.95 * 1.1)
    assert (money.low, money.high) == (pytest.approx(8 * 1.99 * 1.1), pytest.approx(4 * 8 * 5 * 1.1))


def test_a_price_without_a_median_is_likely_the_geometric_mean() -> None:
    price = price_of("A100", listed("prices.yaml"))
    assert price is not None
    assert price.likely == pytest.approx((0.8 * 3.0) ** 0.5)


def own(folder: Path, text: str, name: str = "prices.yaml") -> Path:
    path = folder / name
    path.write_text("as_of: 2026-11-20\nsource: our contract\n" + text, "utf-8")
    return path


def test_a_users_file_comes_first_and_the_rest_stays(tmp_path: Path) -> None:
    path = own(tmp_path, "extra: {share: 0.0}\ngpus: {H100: {low: 1.0, high: 1.0}}\n")
    for prices in (listed("prices.yaml", folders=[tmp_path]), listed("prices.yaml", given=path)):
        assert price_of("H100", prices) == Range(1.0, 1.0, 1.0)
        assert price_of("H200", prices) == Range(2.25, 4.54, 7.0)
        assert extra_share(prices) == 0.0
        assert prices.told("H100") == f"{path}, as of 2026-11-20"
        assert prices.told("H200") == "tunesmith's prices.yaml, as of 2026-05"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpus: {H100: 3}\n", "has no gpus"),
        ("gpus: {H100: {low: 3, high: 2}}\n", "needs low and high"),
        ("gpus: {H100: {low: 1, likely: 9, high: 2}}\n", "likely of H100 is not between"),
        ("gpus: [}\n", "cannot be read"),
    ],
)
def test_a_users_file_that_makes_no_sense_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        price_of("H100", listed("prices.yaml", given=own(tmp_path, text)))


def test_a_users_file_says_when_and_from_where(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("gpus: {H100: {low: 1, high: 2}}\n")
    with pytest.raises(UserError, match="does not say as_of"):
        listed("prices.yaml", folders=[tmp_path])


@pytest.mark.parametrize(("given", "name"), [("h100", "H100"), ("rtx4090", "RTX 4090"), ("A100-40GB", "A100 40GB")])
def test_a_gpu_is_found_as_people_write_it(given: str, name: str) -> None:
    assert gpu_named(given).name == name


def test_an_unknown_gpu_is_refused_with_near_names(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        gpu_named("H10")
    assert "H100" in caught.value.hint
    own(tmp_path, "gpus: {H10: {tflops: 10, memory_gb: 8}}\n", "peaks.yaml")
    assert gpu_named("H10", listed("peaks.yaml", folders=[tmp_path])).memory == 8e9
