"""Losses over pairs of a preferred and a rejected answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Scored:
    """A part of a batch of N pairs as model and reference see it; rows are N chosen answers, then N rejected ones."""

    logps_BT: torch.Tensor  # log-probability of each answer token, 0 elsewhere; B is 2N
    there_BT: torch.Tensor  # where the answer tokens are
    reference_B: torch.Tensor  # summed log-probability under the reference

    @property
    def ratios(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-ratios of model and reference, of the chosen and of the rejected answers, each [N]."""
        chosen, rejected = (self.logps_BT.sum(dim=1) - self.reference_B).chunk(2)
        return chosen, rejected

    @property
    def chosen_nll(self) -> torch.Tensor:
        """Negative log-likelihood of the chosen answers, summed over their tokens."""
        return -self.logps_BT.chunk(2)[0].sum()


def sigmoid(scored: Scored, *, beta: float) -> torch.Tensor:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290), for each pair [N]."""
    import torch.nn.functional as F

    chosen, rejected = scored.ratios
    return -F.logsigmoid(beta * (chosen - rejected))
