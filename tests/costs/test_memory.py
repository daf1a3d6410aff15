"""Bytes of a training: held to what torch keeps, what PEFT trains, and known sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tunesmith.costs.anatomy import Anatomy, anatomy_of
from tunesmith.costs.memory import Precision, Setup, free_bytes, layer_bytes, memory_of, precision_that_fits, usable
from tunesmith.costs.methods import LOW_RANK, method_of, trained_weights
from tunesmith.costs.shapes import shape_of
from tunesmith.models.adapter_folder import wrap
from tunesmith.train.adapters import ADAPTERS

ROW = 32  # tokens
CPU = Setup(shape_of("scratch:4M").anatomy, gpu=False)
LLAMA = Setup(shape_of("Llama-3.1-8B").anatomy)


def config(layers: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=200, hidden_size=128, intermediate_size=352, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, pad_token_id=0, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip


def kept(kind: str, precision: Precision, layers: int, rows: int) -> int:
    """Bytes that torch keeps for the backward pass, the model's own weights aside."""
    model: Any = LlamaForCausalLM(config(layers)).to(torch.bfloat16 if precision == "bfloat16" else torch.float32)
    model.set_attn_implementation("sdpa")
    model = model if kind == "full" else wrap(model, ADAPTERS[kind]())
    model.train()
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    seen: dict[int, tuple[int, torch.Tensor]] = {}  # a tensor that is held cannot give its address to another

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    ids = torch.zeros(rows, ROW, dtype=torch.long)
    virtual = kind in ("prefix", "prompt")
    caller = model if virtual or kind == "full" else model.get_base_model()
    given = {"attention_mask": torch.ones_like(ids)} if virtual else {}
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision != "float32"),
    ):
        out = (caller if virtual else caller.base_model)(input_ids=ids, use_cache=False, **given)
    assert out is not None
    return sum(size for size, _ in seen.values())


@pytest.mark.parametrize("precision", ["float32", "mixed", "bfloat16"])
@pytest.mark.parametrize("kind", ["full", "lora", "rslora", "dora", "ia3", "prefix", "prompt"])
def test_a_layer_keeps_what_torch_keeps(kind: str, precision: Precision) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    # What does not grow with the rows, such as copies of weights, falls out.
    grown = [kept(kind, precision, layers, 4) - kept(kind, precision, layers, 2) for layers in (1, 3)]
    measured = (grown[1] - grown[0]) / 2 / (2 * ROW)
    method = method_of(None if kind == "full" else kind)
    setup = Setup(anatomy_of(config(1)), method, precision, longest=ROW)
    virtual = 1 + method.tokens / ROW if kind == "prompt" else 1
    assert layer_bytes(setup) * virtual == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("kind", [*LOW_RANK, "ia3", "prefix", "prompt"])
def test_as_many_weights_move_as_peft_trains(kind: str) -> None:
    made = ADAPTERS[kind]()
    model = wrap(LlamaForCausalLM(config(2)), made)
    moving = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert trained_weights(anatomy_of(config(2)), method_of(kind)) == moving


def test_states_take_the_known_bytes_a_weight() -> None:
    many = LLAMA.anatomy.parameters
    for precision, a_weight in (("float32", 16), ("bfloat16", 8)):
        held = memory_of(replace(LLAMA, precision=precision), tokens=0)  # type: ignore[arg-type]
        assert held.peak - held.constant == a_weight * many
    mixed = memory_of(replace(LLAMA, precision="mixed"), tokens=0)
    assert mixed.peak - mixed.constant == pytest.approx(18 * many, rel=0.01)  # the table of embeddings is not copied


def test_an_adapter_leaves_the_base_at_two_bytes_and_qlora_at_half_a_byte() -> None:
    lora = memory_of(replace(LLAMA, method=method_of("lora"), precision="bfloat16"), tokens=0)
    moving = trained_weights(LLAMA.anatomy, method_of("lora"))
    assert moving == 41_943_040  # rank 16 on all seven projections
    assert lora.peak - lora.constant == 2 * LLAMA.anatomy.parameters + 16 * moving
    qlora = memory_of(replace(LLAMA, method=method_of("qlora"), precision="bfloat16"), tokens=0)
    assert qlora.weights < 0.52 * lora.weights


def test_a_step_at_once_never_holds_all_gradients_and_activations() -> None:
    parts, whole = (memory_of(CPU, tokens=4096, parts=several) for several in (True, False))
    assert whole.parts == parts.parts
    assert parts.apart == 0
    assert 0 < whole.apart < whole.gradients  # those of the head are there first
    assert whole.peak == parts.peak - whole.apart


def test_shards_divide_what_is_held_and_keep_two_layers_and_the_tables_whole() -> None:
    whole = memory_of(replace(LLAMA, precision="bfloat16"), tokens=0)
    shard = memory_of(replace(LLAMA, precision="bfloat16", shards=8), tokens=0)
    assert shard.optimizer == whole.optimizer / 8
    assert shard.gradients == whole.gradients / 8
    layer = 4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336
    gathered = 2 * (2 * 128256 * 4096 + 2 * layer)
    assert shard.weights == pytest.approx(whole.weights / 8 + gathered)


def test_checkpointing_keeps_a_layers_input_and_one_layer() -> None:
    light = replace(LLAMA, precision="bfloat16", checkpointing=True)
    kept_whole = memory_of(replace(light, checkpointing=False), tokens=1000).activations
    assert memory_of(light, tokens=1000).activations < 0.1 * kept_whole


def test_logits_are_never_all_there() -> None:
    few, many = (memory_of(LLAMA, tokens=tokens, labels=tokens).logits for tokens in (100, 100_000))
    assert few == 12 * 100 * 128_256
    assert memory_of(LLAMA, tokens=10_000).logits == 12 * 2**27
    assert many > 12 * 2**27  # a layer's own gradients are more by then


def test_a_reward_model_has_no_logits_and_rlhf_holds_two_models_more() -> None:
    sft, reward, rlhf = (memory_of(replace(LLAMA, trainer=name), tokens=64) for name in ("sft", "reward", "rlhf"))
    assert reward.logits < sft.logits
    cache = 64 * 32 * 2 * 1024 * 4
    assert rlhf.others == 2 * 4 * LLAMA.anatomy.parameters + cache


def test_the_best_weights_lie_beside_the_model_on_a_processor() -> None:
    assert memory_of(CPU, tokens=8, best=True).others == 4 * CPU.moving
    assert memory_of(LLAMA, tokens=8, best=True).others == 0


def test_eager_attention_writes_its_scores_down() -> None:
    eager = replace(CPU, attention="eager", longest=512)
    assert layer_bytes(eager) - layer_bytes(CPU) == CPU.anatomy.heads * 512 * 12


def test_what_is_free_is_what_the_parts_leave() -> None:
    setup = replace(LLAMA, method=method_of("lora"), precision="bfloat16")
    held = memory_of(setup, tokens=0)
    assert free_bytes(setup, 80e9) == usable(80e9) - (held.peak - held.constant) - 12 * 2**27


def test_precision_follows_from_what_fits() -> None:
    assert precision_that_fits(1_200_000_000, 80e9, adapter=False)[0] == "mixed"
    assert precision_that_fits(8_000_000_000, 80e9, adapter=False)[0] == "bfloat16"
    assert precision_that_fits(8_000_000_000, 24e9, adapter=True)[0] == "bfloat16"


def test_a_mixture_keeps_the_experts_that_a_token_visits() -> None:
    dense = Anatomy(2, 64, 4, 16, 4, 128, 100)
    mixed = replace(dense, experts=8, active=2)
    assert layer_bytes(Setup(mixed)) - layer_bytes(Setup(dense)) == 4 * 4 * 128
    assert mixed.parameters > 4 * dense.parameters
