"""Losses over pairs of a preferred and a rejected answer, under TRL's names and with its values.

Each takes a batch of N pairs as `Scored` and gives the loss of each pair, [N]; their mean is the batch's loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Sides = tuple["torch.Tensor", "torch.Tensor"]


@dataclass(frozen=True)
class Scored:
    """A part of a batch of N pairs as model and reference see it; rows are N chosen answers, then N rejected ones."""

    logps_B: torch.Tensor  # summed log-probability of each answer; B is 2N
    reference_B: torch.Tensor  # the same under the reference
    tokens_B: torch.Tensor  # tokens of each answer
    nll_N: torch.Tensor  # negative log-likelihood of each chosen answer, all of its tokens
    mean_tokens: float  # of a chosen answer, over the whole batch
    divergence: Callable[[torch.Tensor], torch.Tensor] | None = None  # one of DIVERGENCES; without it reverse KL

    @property
    def ratios(self) -> Sides:
        """Log-ratios of model and reference, of the chosen and of the rejected answers, each [N]."""
        chosen, rejected = (self.logps_B - self.reference_B).chunk(2)
        return chosen, rejected

    @property
    def scores(self) -> Sides:
        """What the losses of a difference compare: the log-ratios, seen through the divergence."""
        chosen, rejected = self.ratios
        return (chosen, rejected) if self.divergence is None else (self.divergence(chosen), self.divergence(rejected))

    @property
    def difference(self) -> torch.Tensor:
        """How much better the chosen answers score than the rejected ones, [N]."""
        chosen, rejected = self.scores
        return chosen - rejected

    @property
    def mean_difference(self) -> torch.Tensor:
        """The same by token of each answer, [N]."""
        chosen, rejected = (
            score / tokens.clamp(min=1) for score, tokens in zip(self.scores, self.tokens_B.chunk(2), strict=True)
        )
        return chosen - rejected


def answer_sums(logps_BT: torch.Tensor, there_BT: torch.Tensor, ld_alpha: float | None) -> torch.Tensor:
    """Summed log-probability of each answer [B] of pairs, chosen ones first.

    With ld_alpha the tokens beyond the length of the pair's shorter answer count that much (LD-DPO, Liu et al. 2024,
    arXiv 2409.06411): 1 is plain, 0 compares only the common length.
    """
    import torch

    if ld_alpha is None:
        return logps_BT.sum(dim=1)
    lengths = there_BT.sum(dim=1)
    shared = torch.minimum(*lengths.chunk(2)).repeat(2)
    tail_BT = there_BT.cumsum(dim=1) > shared[:, None]
    return (logps_BT * ~tail_BT).sum(dim=1) + ld_alpha * (logps_BT * tail_BT).sum(dim=1)


def sigmoid(scored: Scored, *, beta: float) -> torch.Tensor:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290)."""
    return _minus_log_sigmoid(beta * scored.difference)


def hinge(scored: Scored, *, beta: float) -> torch.Tensor:
    """Sequence likelihood calibration: a margin of 1/beta is enough (SLiC-HF, Zhao et al. 2023, arXiv 2305.10425)."""
    return (1 - beta * scored.difference).relu()


def ipo(scored: Scored, *, beta: float) -> torch.Tensor:
    """Identity preference optimisation: a margin by token of exactly 1/(2 beta) (Azar et al. 2023, arXiv 2310.12036).

    By token, as its authors confirmed to TRL.
    """
    return (scored.mean_difference - 1 / (2 * beta)) ** 2


def exo_pair(scored: Scored, *, beta: float, label_smoothing: float = 1e-3) -> torch.Tensor:
    """Exact optimisation: reverse KL to smoothed labels (Ji et al. 2024, arXiv 2402.00856, eq. 16)."""
    import torch
    import torch.nn.functional as F

    epsilon = torch.tensor(label_smoothing, device=scored.logps_B.device)
    logits = beta * scored.difference
    log_won, log_lost = F.logsigmoid(logits), F.logsigmoid(-logits)
    won = torch.sigmoid(logits) * (log_won - torch.log1p(-epsilon))
    return won + torch.sigmoid(-logits) * (log_lost - torch.log(epsilon))


def nca_pair(scored: Scored, *, beta: float) -> torch.Tensor:
    """Noise contrastive alignment: each reward for itself (Chen et al. 2024, arXiv 2402.05369)."""
    chosen, rejected = (beta * ratio for ratio in scored.ratios)
    return _minus_log_sigmoid(chosen) + 0.5 * _minus_log_sigmoid(-chosen) + 0.5 * _minus_log_sigmoid(-rejected)


def robust(scored: Scored, *, beta: float, label_smoothing: float = 0.1) -> torch.Tensor:
    """DPO unbiased where this share of the labels is flipped (Chowdhury et al. 2024, arXiv 2403.00409)."""
    logits = beta * scored.difference
    clean, flipped = _minus_log_sigmoid(logits), _minus_log_sigmoid(-logits)
    return ((1 - label_smoothing) * clean - label_smoothing * flipped) / (1 - 2 * label_smoothing)


def bco_pair(scored: Scored, *, beta: float) -> torch.Tensor:
    """Binary classifier optimisation: chosen or rejected, each for itself (Jung et al. 2024, arXiv 2404.04656)."""
    chosen, rejected = scored.ratios
    return _minus_log_sigmoid(beta * chosen) + _minus_log_sigmoid(-beta * rejected)


def sppo_hard(scored: Scored, *, beta: float) -> torch.Tensor:
    """Self-play preference optimisation with hard labels (Wu et al. 2024, arXiv 2405.00675, eq. 4.7 with P 1 or 0)."""
    chosen, rejected = scored.ratios
    return (chosen - 0.5 / beta) ** 2 + (rejected + 0.5 / beta) ** 2


def aot(scored: Scored, *, beta: float, label_smoothing: float = 0.0) -> torch.Tensor:
    """Alignment by optimal transport: the model's margins, sorted, above the reference's (arXiv 2406.05882).

    Melnyk et al. 2024. It compares the batch as a whole, so that a batch cannot be taken in parts.
    """
    (chosen, rejected), (ref_chosen, ref_rejected) = scored.logps_B.chunk(2), scored.reference_B.chunk(2)
    above = (chosen - rejected).sort().values - (ref_chosen - ref_rejected).sort().values
    return _smoothed(beta * above, label_smoothing)


def aot_unpaired(scored: Scored, *, beta: float, label_smoothing: float = 0.0) -> torch.Tensor:
    """The same over answers that are no pairs: sorted chosen log-ratios above sorted rejected ones."""
    chosen, rejected = scored.ratios
    return _smoothed(beta * (chosen.sort().values - rejected.sort().values), label_smoothing)


def apo_zero(scored: Scored, *, beta: float) -> torch.Tensor:
    """Anchored preference optimisation for answers better than the model's: chosen up, rejected down.

    D'Oosterlinck et al. 2024 (arXiv 2408.06266), eq. 7.
    """
    chosen, rejected = scored.ratios
    return 1 - (beta * chosen).sigmoid() + (beta * rejected).sigmoid()


def apo_down(scored: Scored, *, beta: float) -> torch.Tensor:
    """The same for answers worse than the model's: chosen down, rejected further down (eq. 8)."""
    chosen, rejected = scored.ratios
    return (beta * chosen).sigmoid() + 1 - (beta * (chosen - rejected)).sigmoid()


def discopop(scored: Scored, *, beta: float, discopop_tau: float = 0.05) -> torch.Tensor:
    """The loss that a language model proposed: logistic and exponential, mixed (Lu et al. 2024, arXiv 2406.08414)."""
    logits = beta * scored.difference
    mixed = (logits / discopop_tau).sigmoid()
    return _minus_log_sigmoid(logits) * (1 - mixed) + (-logits).exp() * mixed


def sft(scored: Scored) -> torch.Tensor:
    """Negative log-likelihood of the chosen answers by token: the anchor (RPO, Pang et al. 2024, arXiv 2404.19733)."""
    return scored.nll_N / scored.mean_tokens


def sigmoid_norm(scored: Scored, *, beta: float) -> torch.Tensor:
    """DPO by token of each answer, so that length alone earns nothing (as in Tulu 3, arXiv 2411.15124)."""
    return _minus_log_sigmoid(beta * scored.mean_difference)


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    loss.__name__: loss
    for loss in (
        *(sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, aot_unpaired, apo_zero),
        *(apo_down, discopop, sft, sigmoid_norm),
    )
}
OF_DIFFERENCE = frozenset({"sigmoid", "hinge", "ipo", "exo_pair", "robust", "discopop", "sigmoid_norm"})
OF_WHOLE_BATCH = frozenset({"aot", "aot_unpaired"})


def forward_kl(ratio: torch.Tensor) -> torch.Tensor:
    """f'(t) = 1 - 1/t of the ratio t (f-DPO, Wang et al. 2023, arXiv 2309.16240)."""
    return 1 - (-ratio).exp()


def js_divergence(ratio: torch.Tensor) -> torch.Tensor:
    """f'(t) = log(2t / (t + 1)), Jensen and Shannon's divergence (arXiv 2309.16240)."""
    return math.log(2) - _minus_log_sigmoid(ratio)


def alpha_divergence(ratio: torch.Tensor, *, alpha: float) -> torch.Tensor:
    """f'(t) = (t^(alpha-1) - 1) / (alpha-1); alpha 1 is reverse KL (arXiv 2309.16240)."""
    if abs(alpha - 1) < 1e-6:
        return ratio
    return (((alpha - 1) * ratio).clamp(max=80.0).exp() - 1) / (alpha - 1)  # clamped so that float32 can hold it


DIVERGENCES: dict[str, Callable[..., torch.Tensor]] = {
    "forward_kl": forward_kl,
    "js_divergence": js_divergence,
    "alpha_divergence": alpha_divergence,
}


def _minus_log_sigmoid(logits: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    return -F.logsigmoid(logits)


def _smoothed(logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    clean, flipped = _minus_log_sigmoid(logits), _minus_log_sigmoid(-logits)
    return clean * (1 - label_smoothing) + flipped * label_smoothing
