"""Adapters: a small set of weights trained beside the frozen weights of a base."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tunesmith.train.job import Adapter

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Make = Callable[..., Any]


def lora(*, rank: int = 16, alpha: float | None = None, dropout: float = 0.0) -> object:
    """Low-rank updates of every linear layer but the head (Hu et al. 2021, arXiv 2106.09685)."""
    from peft import LoraConfig

    return LoraConfig(
        r=rank, lora_alpha=alpha or 2 * rank, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM"
    )


ADAPTERS: dict[str, Make] = {"lora": lora}


def attach(model: PreTrainedModel, adapter: Adapter, *, seed: int) -> PreTrainedModel:
    """The model with a new adapter that alone is trained."""
    import torch
    from peft import get_peft_model

    torch.manual_seed(seed)
    config = ADAPTERS[adapter.kind](**adapter.options)
    return cast("PreTrainedModel", get_peft_model(model, config))
