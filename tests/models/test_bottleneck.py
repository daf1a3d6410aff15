"""Bottleneck adapters: where they lie, what they compute, and on which architectures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.train.adapter_toys import adapter_at, adapter_job, base_at
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    OPTConfig,
    PretrainedConfig,
    Qwen2Config,
)

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import kind_of
from tunesmith.models.bottleneck import BottleneckConfig, Bottlenecked
from tunesmith.models.local import LocalModel
from tunesmith.train.start import start_from

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
ARCHITECTURES: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SIZES, intermediate_size=64),
    "qwen2": Qwen2Config(**SIZES, intermediate_size=64, num_key_value_heads=1),
    "gpt2": GPT2Config(**SIZES),
    "gpt_neox": GPTNeoXConfig(**SIZES, intermediate_size=64),
    "mixtral": MixtralConfig(**SIZES, intermediate_size=64, num_key_value_heads=1, num_local_experts=2),
}
HOULSBY = BottleneckConfig(4, "houlsby", "relu", 0.0)
PFEIFFER = BottleneckConfig(8, "pfeiffer", "gelu", 0.0)
IDS = torch.tensor([[5, 9, 30, 17, 4], [8, 8, 2, 60, 3], [11, 12, 13, 14, 15]])


def made(architecture: str = "llama") -> Any:
    """A model of random weights, the same each time."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(ARCHITECTURES[architecture]).eval()


def adapted(model: Any, **configs: BottleneckConfig) -> Any:
    """The model with trainable adapters, moved away from the identity."""
    whole = Bottlenecked(model)
    for name, config in configs.items():
        whole.add_adapter(name, config, trainable=True)
        for weight in whole.weights_of(name).values():
            torch.nn.init.normal_(weight, std=0.3)
    return whole.eval()


def logits(model: Any, **named: object) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, **named).logits
    return found


@pytest.mark.parametrize("config", [HOULSBY, PFEIFFER])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_starts_as_the_base_moves_alone_and_can_be_put_aside(architecture: str, config: BottleneckConfig) -> None:
    base = logits(made(architecture))
    fresh = Bottlenecked(made(architecture))
    fresh.add_adapter("one", config, trainable=True)
    assert torch.equal(logits(fresh.eval()), base)
    moved = adapted(made(architecture), one=config)
    assert not torch.allclose(logits(moved), base, atol=1e-3)
    with moved.disable_adapter():
        assert torch.equal(logits(moved), base)
    moved(input_ids=IDS).logits.logsumexp(-1).sum().backward()
    gradients = {name for name, weight in moved.named_parameters() if weight.grad is not None}
    assert gradients == {name for name, _ in moved.named_parameters() if ".bottleneck_" in name}
    places = 2 if config.places == "houlsby" else 1
    trained, total = moved.get_nb_trainable_parameters()
    units = 32 // config.reduction
    assert trained == 2 * places * (32 * units + units + units * 32 + 32)
    assert total == trained + sum(weight.numel() for weight in made(architecture).parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_answers_with_a_cache_are_those_without(architecture: str) -> None:
    model = adapted(made(architecture), one=HOULSBY)
    told = {"max_new_tokens": 6, "do_sample": False, "attention_mask": torch.ones_like(IDS), "eos_token_id": None}
    cached = model.generate(input_ids=IDS, use_cache=True, **told)
    ids = IDS
    for _ in range(6):
        with torch.no_grad():
            ids = torch.cat([ids, model(input_ids=ids, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(cached, ids)
    with model.disable_adapter():
        assert not torch.equal(model.generate(input_ids=IDS, **told), cached)


def test_a_layer_computes_what_the_paper_draws() -> None:
    """Written out by hand: after attention and after feed-forward, each before it is added to the residual stream."""
    model = adapted(made(), one=HOULSBY)
    weights = model.weights_of("one")

    def beside(hidden: torch.Tensor, where: str) -> torch.Tensor:
        down, lean, up, shift = (
            weights[f"{where}.{name}"] for name in ("down.weight", "down.bias", "up.weight", "up.bias")
        )
        return hidden + (hidden @ down.T + lean).clamp(min=0) @ up.T + shift

    body = model.get_base_model().model
    with torch.no_grad(), model.disable_adapter():
        stream = body.embed_tokens(IDS)
        places = torch.arange(IDS.shape[1])[None]
        for number, layer in enumerate(body.layers):
            turned = body.rotary_emb(stream, places)
            attended = layer.self_attn(layer.input_layernorm(stream), turned, attention_mask=None)[0]
            stream = stream + beside(attended, f"layers.{number}.attention")
            fed = layer.mlp(layer.post_attention_layernorm(stream))
            stream = stream + beside(fed, f"layers.{number}.feed_forward")
        by_hand = model.get_base_model().lm_head(body.norm(stream))
    assert torch.allclose(logits(model), by_hand, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_row_of_a_batch_may_have_an_adapter_of_its_own(architecture: str) -> None:
    both = adapted(made(architecture), one=HOULSBY, two=PFEIFFER)
    mixed = logits(both, adapter_names=["two", "nobody's", "one"])
    alone = {name: (both.set_adapter(name), logits(both))[1] for name in ("one", "two")}
    assert torch.allclose(mixed[0], alone["two"][0], atol=1e-5)
    assert torch.allclose(mixed[1], logits(made(architecture))[1], atol=1e-5)
    assert torch.allclose(mixed[2], alone["one"][2], atol=1e-5)
    both.set_adapter("two")
    both.delete_adapter("one")
    assert torch.equal(logits(both), alone["two"])


def test_weights_are_float32_on_a_base_in_bfloat16() -> None:
    model = adapted(made().to(torch.bfloat16), one=HOULSBY)
    assert {weight.dtype for weight in model.weights_of("one").values()} == {torch.float32}
    with torch.no_grad():
        assert model(input_ids=IDS).logits.dtype == torch.bfloat16
    model(input_ids=IDS).logits.float().logsumexp(-1).sum().backward()
    assert {weight.grad.dtype for weight in model.weights_of("one").values()} == {torch.float32}


def test_checkpointing_changes_no_gradient() -> None:
    found = []
    for light in (False, True):
        model = adapted(made(), one=HOULSBY).train()
        if light:
            model.get_base_model().activation_checkpointing_enable(
                activation_checkpointing_kwargs={"use_reentrant": False}
            )
        model(input_ids=IDS, use_cache=False).logits.logsumexp(-1).sum().backward()
        found.append(torch.cat([weight.grad.flatten() for weight in model.weights_of("one").values()]))
    assert found[0].norm() > 0
    assert torch.equal(*found)


def test_dropout_is_for_training_only() -> None:
    model = adapted(made(), one=BottleneckConfig(4, "houlsby", "relu", 0.5))
    assert torch.equal(logits(model), logits(model))
    assert not torch.equal(logits(model.train()), logits(model))


def test_models_without_such_layers_are_refused() -> None:
    plain = AutoModelForCausalLM.from_config(OPTConfig(**SIZES, ffn_dim=64, word_embed_proj_dim=32))
    with pytest.raises(UserError, match="OPTForCausalLM has no list of layers with the feed-forward") as caught:
        Bottlenecked(plain)
    assert "lora" in caught.value.hint
    headless = made()
    for layer in headless.model.layers:
        layer.mixer = layer._modules.pop("self_attn")
    Bottlenecked(headless).add_adapter("one", PFEIFFER)
    with pytest.raises(UserError, match="a layer without attention as a module of its own"):
        Bottlenecked(headless).add_adapter("two", HOULSBY)


def test_a_folder_tells_its_shape_and_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    base = base_at(tmp_path / "base")
    folder = adapter_at(tmp_path, base, "bottleneck", reduction=8, places="pfeiffer", activation="silu")
    config = json.loads((folder / "adapter_config.json").read_text())
    assert {name: config[name] for name in ("peft_type", "reduction", "places", "activation", "dropout")} == {
        "peft_type": "BOTTLENECK", "reduction": 8, "places": "pfeiffer", "activation": "silu", "dropout": 0.0
    }  # fmt: skip
    weights = load_file(folder / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert sorted(weights) == [
        f"layers.0.feed_forward.{one}" for one in ("down.bias", "down.weight", "up.bias", "up.weight")
    ]
    (folder / "base.json").unlink()
    assert kind_of(folder) == "bottleneck"
    further = start_from(adapter_job(tmp_path / "further", folder, None))
    assert further.trained == sum(weight.numel() for weight in weights.values())
    weights["layers.0.feed_forward.down.weight"] = torch.zeros(3, 32)
    save_file(weights, folder / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"do not fit the base, such as layers\.0\.feed_forward\.down\.weight"):
        LocalModel(folder)
