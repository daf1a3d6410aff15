"""Losses and norms with gradients written by hand: on a processor fewer passes over memory than torch's own take."""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PIECE = 256  # rows whose logits are made at once: with 4,096 tokens of vocabulary they stay in a processor's cache
TINY = 1e-38  # a smaller probability is taken for this one: no loss of a token is more than 87 nats


class _Kept(Protocol):
    """What torch keeps of a function from its forward to its backward pass."""

    needs_input_grad: Sequence[bool]
    saved_tensors: Sequence[torch.Tensor]

    def save_for_backward(self, *tensors: torch.Tensor | None) -> None:
        """Keep these."""


def head_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The summed cross-entropy of a head without bias: hidden [N, width], weight [vocabulary, width], targets [N].

    Logits are made a piece at a time, in one buffer that becomes their gradient in place, so that N times vocabulary
    numbers are never in memory. Gradients are made in the forward pass, as in Wijmans et al. (2024, arXiv 2411.09009).
    """
    return cast("torch.Tensor", _head_loss().apply(hidden, weight, targets))  # type: ignore[no-untyped-call]  # torch's


@cache
def _head_loss() -> type[torch.autograd.Function]:
    import torch

    class HeadLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: _Kept, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            to_hidden = torch.empty_like(hidden)
            to_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
            buffer = hidden.new_empty(min(PIECE, len(hidden)), len(weight))
            total = hidden.new_zeros(())
            for begin in range(0, len(hidden), PIECE):
                piece = hidden[begin : begin + PIECE]
                wanted, found = targets[begin : begin + PIECE, None], buffer[: len(piece)]
                torch.mm(piece, weight.t(), out=found)
                torch.softmax(found, 1, out=found)
                likely = found.gather(1, wanted)
                total -= likely.clamp_min(TINY).log_().sum()
                found.scatter_(1, wanted, likely - 1)  # the gradient of the logits
                torch.mm(found, weight, out=to_hidden[begin : begin + PIECE])
                if to_weight is not None:
                    to_weight.addmm_(found.t(), piece)
            ctx.save_for_backward(to_hidden, to_weight)
            return total

        @staticmethod
        def backward(ctx: _Kept, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            to_hidden, to_weight = ctx.saved_tensors
            return to_hidden * given[0], None if to_weight is None else to_weight * given[0], None

    return HeadLoss


@cache
def _rms_norm() -> type[torch.autograd.Function]:
    import torch

    class RmsNorm(torch.autograd.Function):
        @staticmethod
        def forward(ctx: _Kept, given: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
            size = torch.linalg.vector_norm(given, dim=-1, keepdim=True)
            scale = size.square_().div_(given.shape[-1]).add_(epsilon).rsqrt_()
            even = given * scale
            ctx.save_for_backward(even, scale, weight)
            normed: torch.Tensor = even * weight
            return normed

        @staticmethod
        def backward(ctx: _Kept, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            even, scale, weight = ctx.saved_tensors
            both = (given[0] * even).reshape(-1, len(weight))
            mean = (both @ weight).div_(-len(weight)).view(scale.shape)
            to_given = (given[0] * weight).addcmul_(even, mean).mul_(scale)
            return to_given, both.sum(0) if ctx.needs_input_grad[1] else None, None

    return RmsNorm


def use_fast_norms(model: PreTrainedModel) -> int:
    """Let the RMS norms of a float32 model on a processor compute by hand; gives how many there are.

    Weights and their names stay. A norm is taken only if it gives the same as ours: some have the weight otherwise.
    """
    import torch

    taken = 0
    for module in model.modules():
        if not (type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon")):
            continue
        width = len(cast("torch.Tensor", module.weight))
        with torch.no_grad():
            trial = torch.linspace(-2, 3, 2 * width).view(1, 2, width)
            same = torch.allclose(module(trial), _normed(module, trial), rtol=1e-5, atol=1e-6)
        if same:
            module.forward = types.MethodType(_normed, module)
            taken += 1
    return taken


def _normed(module: torch.nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    norm = _rms_norm()
    return cast("torch.Tensor", norm.apply(hidden, module.weight, module.variance_epsilon))  # type: ignore[no-untyped-call]  # torch's
