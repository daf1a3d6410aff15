"""Supervised loss and log-probabilities, taken at label positions only.

On a CPU, and with any large vocabulary, the product with the vocabulary is much of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tunesmith.train.batches import IGNORED, Batch
from tunesmith.train.fast import head_loss
from tunesmith.train.windows import Windows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Models that change their logits after the head: their own forward is used.
_AFTER_HEAD = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")

# Sizes of products are rounded up to this: a CPU's libraries make and keep a kernel for each size they meet, so that a
# new one in each step costs time and hundreds of megabytes.
ROUND = 128

LOGITS_AT_ONCE = 2**27  # more (0.5 GB in float32) are never held at once

Fused = Callable[["PreTrainedModel", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Labels:
    """What is to be predicted, and from where."""

    targets: torch.Tensor  # ids, [labels]
    there_BT: torch.Tensor  # bool, [B, T-1]
    at: tuple[torch.Tensor, ...]  # row and place of each, [labels]; looked up once, as a GPU must wait for it


def labels_of(batch: Batch) -> Labels:
    """The labels of a batch: each is predicted from the place before it."""
    wanted = batch.labels_BT[:, 1:]
    there = wanted != IGNORED
    at = there.nonzero(as_tuple=True)
    return Labels(wanted[at], there, at)


def label_logits(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits [labels, vocabulary] in float32 and target ids [labels] of all labels, and where they stand, [B, T-1]."""
    labels = labels_of(batch)
    return _logits(model, batch, labels), labels.targets, labels.there_BT


def label_losses(model: PreTrainedModel, batch: Batch, labels: Labels, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Negative log-likelihood of each label, [labels], in float32.

    Many logits are taken a piece at a time, and again in the backward pass, so that they are never all in memory.
    """
    import torch
    import torch.nn.functional as F
    from torch.utils.checkpoint import checkpoint

    core = core_of(model)
    if core is None or len(labels.targets) <= _at_once(core):
        logits = _logits(model, batch, labels)
        return F.cross_entropy(logits, labels.targets, label_smoothing=label_smoothing, reduction="none")

    def piece(hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(_head(core, hidden), targets, label_smoothing=label_smoothing, reduction="none")

    hidden = torch.split(_hidden(core, batch, labels), _at_once(core))
    pieces = zip(hidden, torch.split(labels.targets, _at_once(core)), strict=True)
    return torch.cat([checkpoint(piece, *given, use_reentrant=False) for given in pieces])


def core_of(model: PreTrainedModel) -> PreTrainedModel | None:
    """The model whose body and head can be called apart, adapters inside included; None where that changes results."""
    adapted = hasattr(model, "peft_config")
    if adapted and model.active_peft_config.is_prompt_learning:
        return None
    core = cast("PreTrainedModel", model.get_base_model() if adapted else model)
    return None if any(getattr(core.config, name, None) is not None for name in _AFTER_HEAD) else core


def sft_loss(model: PreTrainedModel, batch: Batch, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Negative log-likelihood of the label tokens over those of the whole batch; TRL's SFTTrainer takes the same."""
    labels = labels_of(batch)
    core = core_of(model)
    if core is not None and not label_smoothing and (fuse := _fused(core, len(labels.targets))):
        total = fuse(core, _hidden(core, batch, labels), labels.targets)
    else:
        total = label_losses(model, batch, labels, label_smoothing=label_smoothing).sum()
    return total / (batch.whole.tokens if batch.whole else len(labels.targets))


def window_loss(model: PreTrainedModel, windows: Windows) -> torch.Tensor:
    """Negative log-likelihood of the tokens that follow, over those of the whole batch."""
    import torch.nn.functional as F

    targets, core = windows.targets_BT.flatten(), core_of(model)
    if core is None:
        logits = model(**windows.inputs).logits[:, -windows.ids_BT.shape[1] :]
        return F.cross_entropy(logits.flatten(0, 1).float(), targets, reduction="sum") / windows.whole.tokens
    hidden: torch.Tensor = core.base_model(**windows.inputs).last_hidden_state.flatten(0, 1)
    if fuse := _fused(core, len(targets)):
        return fuse(core, hidden, targets) / windows.whole.tokens
    return F.cross_entropy(_head(core, hidden), targets, reduction="sum") / windows.whole.tokens


def answer_logps(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each label token [B, T-1], 0 where there is none, and where they stand, [B, T-1]."""
    labels = labels_of(batch)
    each = -label_losses(model, batch, labels)
    return each.new_zeros(labels.there_BT.shape).masked_scatter(labels.there_BT, each), labels.there_BT


def _logits(model: PreTrainedModel, batch: Batch, labels: Labels) -> torch.Tensor:
    core = core_of(model)
    if core is not None:
        return _head(core, _hidden(core, batch, labels))
    # Virtual tokens of a prompt adapter stand before the row's own.
    full = model(**batch.inputs).logits[:, -batch.ids_BT.shape[1] :]
    return cast("torch.Tensor", full[labels.at].float())


def _at_once(core: PreTrainedModel) -> int:
    """Labels whose logits may be held at once."""
    return max(ROUND, LOGITS_AT_ONCE // int(core.config.get_text_config().vocab_size) // ROUND * ROUND)


def _hidden(core: PreTrainedModel, batch: Batch, labels: Labels) -> torch.Tensor:
    """The last hidden states that labels are predicted from, [labels, width]."""
    hidden: torch.Tensor = core.base_model(**batch.causal_inputs).last_hidden_state
    return hidden[labels.at]


def _head(core: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    padded = F.pad(hidden, (0, 0, 0, -len(hidden) % ROUND))
    return cast("torch.Tensor", core.get_output_embeddings()(padded)[: len(hidden)].float())


def _fused(core: PreTrainedModel, labels: int) -> Fused | None:
    """What takes product and loss in one: ours in float32 on a processor, for many labels torch's own; or none."""
    import torch

    head = core.get_output_embeddings()
    if type(head) is not torch.nn.Linear or not torch.is_grad_enabled():
        return None
    weight = head.weight
    whole = type(weight) is torch.nn.Parameter and getattr(head, "bias", None) is None  # and no shard of FSDP
    float32 = weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if whole and float32 and weight.device.type == "cpu":
        return _head_total
    many = labels > _at_once(core) and hasattr(torch.nn.functional, "linear_cross_entropy")
    return _fused_total if many else None


def _head_total(core: PreTrainedModel, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return head_loss(hidden, core.get_output_embeddings().weight, targets)


def _fused_total(core: PreTrainedModel, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The summed loss by torch's product and loss in pieces.

    It makes gradients in the forward pass: three products where pieces computed again take four.
    """
    import torch
    import torch.nn.functional as F

    head = core.get_output_embeddings()
    device = hidden.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else head.weight.dtype
    total: torch.Tensor = F.linear_cross_entropy(
        hidden.to(kind),
        head.weight.to(kind),
        targets,
        linear_bias=None if head.bias is None else head.bias.to(kind),
        reduction="sum",
        options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=_at_once(core), chunking_method=None),
    )
    return total.float()
