"""Sizes of a model from its config, with and without transformers."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import GPT2Config, LlamaConfig, LlamaForCausalLM

from tunesmith.costs.anatomy import anatomy_of
from tunesmith.costs.files import shipped

CONFIG = LlamaConfig(
    vocab_size=500, hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, tie_word_embeddings=False, bos_token_id=None, eos_token_id=1, pad_token_id=0,
)  # fmt: skip
MODELS: dict[str, dict[str, Any]] = shipped("models.yaml")["models"]  # type: ignore[assignment]


def test_a_plain_mapping_tells_what_a_config_of_transformers_tells() -> None:
    assert anatomy_of(CONFIG.to_dict()) == anatomy_of(CONFIG)
    assert anatomy_of({"text_config": CONFIG.to_dict()}) == anatomy_of(CONFIG)


def test_all_weights_are_counted() -> None:
    assert anatomy_of(CONFIG).parameters == sum(weight.numel() for weight in LlamaForCausalLM(CONFIG).parameters())


def test_a_feed_forward_without_a_gate_has_two_matrices() -> None:
    anatomy = anatomy_of(GPT2Config().to_dict())
    assert anatomy == anatomy_of(GPT2Config())
    assert not anatomy.gated
    assert anatomy.parameters == pytest.approx(124.4e6, rel=0.02)  # GPT-2 small; positions are not counted


def test_a_token_visits_some_of_the_experts() -> None:
    mixtral = anatomy_of(MODELS["Mixtral-8x7B"])
    assert mixtral.parameters == pytest.approx(46.7e9, rel=0.001)
    assert mixtral.body + mixtral.table == pytest.approx(12.9e9, rel=0.005)  # active, as the paper says
    assert mixtral.flops(1) == pytest.approx(6 * (mixtral.body + 32_000 * 4096), rel=1e-3)


def test_what_a_config_lacks_is_named() -> None:
    with pytest.raises(KeyError, match="vocab_size"):
        anatomy_of({"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1})


@pytest.mark.parametrize("name", MODELS)
def test_the_shape_of_a_known_model_has_the_published_number_of_weights(name: str) -> None:
    assert anatomy_of(MODELS[name]).parameters / 1e9 == pytest.approx(MODELS[name]["billions"], rel=0.002)
