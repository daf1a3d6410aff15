"""Packed rows, padded rows and a head taken in pieces: the same loss and the same gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.models.chat import Tokens
from tunesmith.train import losses
from tunesmith.train.adapters import attach
from tunesmith.train.batches import Batch, collate, pack
from tunesmith.train.job import Adapter
from tunesmith.train.losses import answer_logps, sft_loss

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks for it
VOCABULARY = 256
ROWS = [Tokens([(7 * row + 3 * place) % 250 + 2 for place in range(length)], [0, 0] + [1] * (length - 2))
        for row, length in enumerate((9, 30, 5, 17, 44, 3))]  # fmt: skip


ADAPTERS = {"lora": Adapter("lora", {"rank": 4}), "bottleneck": Adapter("bottleneck", {"reduction": 4})}


def tiny(attention: str, *, adapter: str | None = None) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    model: Any = LlamaForCausalLM._from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)  # away from a flat softmax, so that a leak between rows would show
    if adapter:
        model = attach(model, ADAPTERS[adapter], seed=0, words=lambda *_: iter(()))
        for name, weight in model.named_parameters():
            if "lora_B" in name or name.endswith(".up.weight"):
                torch.nn.init.normal_(weight, std=0.1)
    return model.train()


def loss_and_gradient(model: Any, batch: Batch, **options: float) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = sft_loss(model, batch, **options)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    moved = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    return loss.item(), torch.cat(moved).clone()


def assert_same(one: tuple[float, torch.Tensor], other: tuple[float, torch.Tensor], tolerance: float = 2e-6) -> None:
    assert one[0] == pytest.approx(other[0], rel=tolerance)
    assert one[1].norm() > 0
    assert (one[1] - other[1]).norm() / one[1].norm() < tolerance


@pytest.mark.parametrize("adapter", [None, *ADAPTERS])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_rows_have_the_loss_and_gradient_of_padded_ones(attention: str, adapter: str | None) -> None:
    model = tiny(attention, adapter=adapter)
    padded = loss_and_gradient(model, collate(ROWS, pad=0))
    assert_same(padded, loss_and_gradient(model, pack(ROWS, pad=0)))
    assert_same(padded, loss_and_gradient(model, pack(ROWS, pad=0, bounds=True)))


def test_packed_rows_differ_from_padded_ones_where_places_do_not_begin_anew() -> None:
    model, batch = tiny("sdpa"), pack(ROWS, pad=0)
    leaking = Batch(batch.ids_BT, None, batch.labels_BT)
    assert abs(sft_loss(model, leaking).item() - sft_loss(model, batch).item()) > 1e-3


def test_bounds_are_where_rows_begin_and_the_end() -> None:
    batch = pack(ROWS[:2], pad=0, bounds=True)
    assert batch.bounds is not None
    assert batch.bounds.tolist() == [0, 9, 39, 64]
    assert batch.bounds.dtype == torch.int32
    assert batch.longest == 30
    assert batch.inputs["cu_seq_lens_q"] is batch.bounds
    assert batch.inputs["max_length_k"] == 30


def test_bounds_are_those_that_transformers_finds_by_itself() -> None:
    from transformers.modeling_flash_attention_utils import _is_packed_sequence, prepare_fa_kwargs_from_position_ids

    batch = pack(ROWS, pad=0, bounds=True)
    assert batch.bounds is not None
    (found, _), (longest, _) = prepare_fa_kwargs_from_position_ids(batch.places_BT)
    assert found.tolist() == batch.bounds.tolist()
    assert int(longest) == batch.longest
    assert _is_packed_sequence(batch.places_BT, 1)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_padding_needs_no_mask_as_no_token_sees_what_is_behind_it(attention: str) -> None:
    model, batch = tiny(attention), collate(ROWS, pad=0)
    assert "attention_mask" in batch.inputs
    ours = loss_and_gradient(model, batch)
    model.zero_grad()
    whole = model(**batch.inputs, labels=batch.labels_BT).loss
    whole.backward()
    theirs = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert_same(ours, (whole.item(), theirs))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("adapter", [None, *ADAPTERS])
def test_a_head_in_pieces_has_the_loss_and_gradient_of_a_whole_one(
    smoothing: float, adapter: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = tiny("sdpa", adapter=adapter), collate(ROWS * 5, pad=0)
    whole = loss_and_gradient(model, batch, label_smoothing=smoothing)
    logps = answer_logps(model, batch)[0]
    monkeypatch.setattr(losses, "LOGITS_AT_ONCE", 128 * VOCABULARY)
    assert len(losses.labels_of(batch).targets) > 3 * 128
    assert_same(whole, loss_and_gradient(model, batch, label_smoothing=smoothing))
    assert torch.allclose(logps, answer_logps(model, batch)[0], atol=1e-5)


def test_pieces_computed_again_stand_in_where_torch_has_no_fused_head(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny("sdpa"), collate(ROWS * 5, pad=0)
    whole = loss_and_gradient(model, batch)
    monkeypatch.setattr(losses, "LOGITS_AT_ONCE", 128 * VOCABULARY)
    monkeypatch.setattr(losses, "_fused", lambda *_: None)
    assert_same(whole, loss_and_gradient(model, batch))


def test_a_fused_head_in_bfloat16_stays_near_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny("sdpa"), collate(ROWS * 5, pad=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        whole = loss_and_gradient(model, batch)
        monkeypatch.setattr(losses, "LOGITS_AT_ONCE", 128 * VOCABULARY)
        assert_same(whole, loss_and_gradient(model, batch), tolerance=2e-2)
