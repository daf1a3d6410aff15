"""What rewards say of answers: advantages within a prompt's group, and the loss of a policy with its bound on KL.

A group is all answers to one prompt. Answers are learnt from once, by the weights that sampled them, so that the ratio
of new to old probability is 1 and only its gradient counts: PPO's clipping (arXiv 1707.06347) would never bind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch

Method = Literal["rloo", "grpo", "dapo", "dr_grpo"]
LEAST_SPREAD = 1e-4  # as in TRL: a group whose answers are all worth the same gives nothing


@dataclass(frozen=True)
class PolicyObjective:
    """How answers are learnt from.

    rloo (Ahmadian et al. 2024, arXiv 2402.14740) takes beta times the KL of each answer off its reward; the others add
    beta times an estimate of the KL to the loss of each token. grpo (Shao et al. 2024, arXiv 2402.03300) divides by the
    spread of the group and averages over each answer's tokens, dapo (Yu et al. 2025, arXiv 2503.14476) over the tokens
    of the batch, dr_grpo (Liu et al. 2025, arXiv 2503.20783) divides by neither spread nor length.
    """

    method: Method
    beta: float
    generations: int  # answers to a prompt
    new_tokens: int  # the most an answer may have

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt by."""
        if self.beta < 0 or self.generations < 2:
            raise UserError(
                f"beta {self.beta:g} or generations {self.generations} will not do.",
                "beta is 0 or more; an answer is compared with others to its prompt, so generations is 2 or more.",
            )

    def advantages(self, rewards_B: torch.Tensor, kl_B: torch.Tensor) -> torch.Tensor:
        """How much better each answer is than the others to its prompt, [B]; answers of a group stand together."""
        if self.method == "rloo":
            rewards_B = rewards_B - self.beta * kl_B
        grouped = rewards_B.reshape(-1, self.generations)
        above = grouped - grouped.mean(dim=1, keepdim=True)
        if self.method == "rloo":  # above the mean of the others
            above = above * (self.generations / (self.generations - 1))
        elif self.method != "dr_grpo":
            above = above / (grouped.std(dim=1, keepdim=True) + LEAST_SPREAD)
        return above.flatten()

    def loss(self, scored: Sampled, *, rows: int, tokens: int) -> torch.Tensor:
        """The share of these answers in the loss of a batch of so many answers and tokens of them."""
        logps_BT, there_BT = scored.logps_BT, scored.there_BT
        advantages_B = self.advantages(scored.rewards_B, scored.kl_B)
        if self.method == "rloo":
            total = logps_BT.sum(dim=1)
            return -(advantages_B * (total - total.detach()).exp()).sum() / rows
        ratios_BT = (logps_BT - logps_BT.detach()).exp()
        each_BT = -advantages_B[:, None] * ratios_BT
        if self.beta:  # with the ratio its gradient is that of the KL itself (DeepSeek-V3.2, arXiv 2512.02556)
            each_BT = each_BT + self.beta * ratios_BT * scored.kl3_BT
        each_BT = each_BT * there_BT
        if self.method == "grpo":
            return (each_BT.sum(dim=1) / there_BT.sum(dim=1).clamp(min=1)).sum() / rows
        return each_BT.sum() / (tokens if self.method == "dapo" else rows * self.new_tokens)


@dataclass(frozen=True)
class Sampled:
    """Answers with their rewards, and the log-probability of each of their tokens now and at the start; 0 elsewhere."""

    rewards_B: torch.Tensor
    logps_BT: torch.Tensor
    reference_BT: torch.Tensor
    there_BT: torch.Tensor

    @property
    def kl_B(self) -> torch.Tensor:
        """How much likelier each answer is than at the start: its mean over samples is the KL (k1), in nats."""
        return (self.logps_BT.detach() - self.reference_BT).sum(dim=1)

    @property
    def kl3_BT(self) -> torch.Tensor:
        """Schulman's k3 estimate of the KL of each token: never negative, with a gradient."""
        ratios_BT = self.reference_BT - self.logps_BT
        return ratios_BT.exp() - ratios_BT - 1
