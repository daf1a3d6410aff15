"""Supervised loss and log-probabilities, taken at label positions only.

On a CPU, and with any large vocabulary, the product with the vocabulary is much of the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tunesmith.train.batches import IGNORED, Batch

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Models that change their logits after the head: their own forward is used.
_AFTER_HEAD = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")

# Sizes of products are rounded up to this: a CPU's libraries make and keep a kernel for each size they meet, so that a
# new one in each step costs time and hundreds of megabytes.
ROUND = 128


def label_logits(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits [labels, vocabulary] in float32 and target ids [labels] of all labels, and where they stand, [B, T-1]."""
    import torch.nn.functional as F

    targets = batch.labels_BT[:, 1:]
    there = targets != IGNORED
    core = core_of(model)
    if core is None:
        # Virtual tokens of a prompt adapter stand before the row's own.
        full = model(**batch.inputs).logits[:, -batch.ids_BT.shape[1] :]
        return full[:, :-1][there].float(), targets[there], there
    hidden = core.base_model(**batch.inputs).last_hidden_state[:, :-1][there]
    labels = len(hidden)
    padded = F.pad(hidden, (0, 0, 0, -labels % ROUND))
    return core.get_output_embeddings()(padded)[:labels].float(), targets[there], there


def core_of(model: PreTrainedModel) -> PreTrainedModel | None:
    """The model whose body and head can be called apart, adapters inside included; None where that changes results."""
    adapted = hasattr(model, "peft_config")
    if adapted and model.active_peft_config.is_prompt_learning:
        return None
    core = cast("PreTrainedModel", model.get_base_model() if adapted else model)
    return None if any(getattr(core.config, name, None) is not None for name in _AFTER_HEAD) else core


def sft_loss(model: PreTrainedModel, batch: Batch, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Negative log-likelihood of the label tokens over those of the whole batch; TRL's SFTTrainer takes the same."""
    import torch.nn.functional as F

    logits, targets, _ = label_logits(model, batch)
    total = F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="sum")
    return total / (batch.whole.tokens if batch.whole else len(targets))


def answer_logps(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each label token [B, T-1], 0 where there is none, and where they stand, [B, T-1]."""
    import torch.nn.functional as F

    logits, targets, there = label_logits(model, batch)
    each = -F.cross_entropy(logits, targets, reduction="none")
    return each.new_zeros(there.shape).masked_scatter(there, each), there
