"""The losses, taken at label positions only: on a CPU the vocabulary's product is most of a small model's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    if any(getattr(model.config, name, None) is not None for name in _AFTER_HEAD):
        full = model(input_ids=batch.ids_BT, attention_mask=batch.attention_BT, use_cache=False).logits
        return full[:, :-1][there].float(), targets[there], there
    body = model.base_model(input_ids=batch.ids_BT, attention_mask=batch.attention_BT, use_cache=False)
    hidden = body.last_hidden_state[:, :-1][there]
    labels = len(hidden)
    padded = F.pad(hidden, (0, 0, 0, -labels % ROUND))
    return model.get_output_embeddings()(padded)[:labels].float(), targets[there], there


def sft_loss(model: PreTrainedModel, batch: Batch, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Mean negative log-likelihood of the label tokens, as TRL's SFTTrainer takes it."""
    import torch.nn.functional as F

    logits, targets, _ = label_logits(model, batch)
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


def answer_logps(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-probability of each row's label tokens, [B], and their number, [B]."""
    import torch.nn.functional as F

    logits, targets, there = label_logits(model, batch)
    each = -F.cross_entropy(logits, targets, reduction="none")
    logps = each.new_zeros(there.shape).masked_scatter(there, each)
    return logps.sum(dim=1), there.sum(dim=1)


def dpo_loss(
    logps_2N: torch.Tensor, reference_2N: torch.Tensor, tokens_2N: torch.Tensor, *, beta: float, anchor: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Direct preference loss (Rafailov et al. 2023, arXiv 2305.18290) plus `anchor` times the chosen answers' NLL.

    Rows are N chosen, then N rejected. Equal to TRL's DPOTrainer with loss_type ["sigmoid", "sft"]. The second value
    holds the share of pairs whose chosen reward is higher, and the two rewards' mean distance.
    """
    import torch.nn.functional as F

    chosen, rejected = (beta * (logps_2N - reference_2N)).chunk(2)
    nll = -logps_2N.chunk(2)[0].sum() / tokens_2N.chunk(2)[0].sum()
    margins = (chosen - rejected).detach()
    shown = {"accuracy": (margins > 0).float().mean(), "margin": margins.mean(), "chosen_nll": nll.detach()}
    return -F.logsigmoid(chosen - rejected).mean() + anchor * nll, shown
