"""What preference tuning minimises: one loss or several with weights, the anchor among them, and their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import UserError
from tunesmith.train.preferences import DIVERGENCES, LOSSES, OF_DIFFERENCE, OF_WHOLE_BATCH, Scored

if TYPE_CHECKING:
    import torch

ANCHOR = 1.0
LossName = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
Divergence = Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"]


@dataclass(frozen=True)
class Objective:
    """Losses by name with their weights, and the options that they take."""

    weights: Mapping[str, float]
    options: Mapping[str, Mapping[str, float]]  # of each loss
    beta: float
    ld_alpha: float | None = None
    f_divergence: str = "reverse_kl"
    f_alpha: float | None = None

    def __str__(self) -> str:
        """The losses, for people: `sigmoid + 0.5 sft`."""
        return " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in self.weights.items())

    def __call__(self, scored: Scored) -> torch.Tensor:
        """The weighted loss of each pair, [N]."""
        losses = [weight * LOSSES[name](scored, **self.options[name]) for name, weight in self.weights.items()]
        return sum(losses[1:], losses[0])

    @property
    def divergence(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What the log-ratios are seen through; None for the reverse KL, which leaves them as they are."""
        if self.f_divergence == "reverse_kl":
            return None
        known = DIVERGENCES[self.f_divergence]
        return known if self.f_alpha is None else partial(known, alpha=self.f_alpha)

    @property
    def whole_batch(self) -> bool:
        """Whether a batch has to be taken at once, because a loss sorts it."""
        return bool(OF_WHOLE_BATCH & set(self.weights))


def objective_of(
    loss: LossName | Mapping[LossName, float],
    *,
    beta: float,
    anchor: float | None = None,
    label_smoothing: float | None = None,
    discopop_tau: float | None = None,
    ld_alpha: float | None = None,
    f_divergence: str = "reverse_kl",
    f_alpha: float | None = None,
) -> Objective:
    """The objective that a recipe describes; raises UserError for an option that no loss of it uses."""
    weights = _weights({loss: 1.0} if isinstance(loss, str) else {**loss}, anchor)
    _check_ranges(weights, beta=beta, label_smoothing=label_smoothing, ld_alpha=ld_alpha, discopop_tau=discopop_tau)
    if ld_alpha is not None and set(weights) == {"sft"}:
        raise UserError("ld_alpha: the loss 'sft' does not use it.", "Leave it out, or add a loss that compares.")
    options = _options(weights, beta=beta, label_smoothing=label_smoothing, discopop_tau=discopop_tau)
    _check_divergence(f_divergence, f_alpha, weights)
    alpha = 0.5 if f_alpha is None and f_divergence == "alpha_divergence" else f_alpha
    return Objective(weights, options, beta, ld_alpha, f_divergence, alpha)


def _options(weights: Mapping[str, float], **given: float | None) -> dict[str, dict[str, float]]:
    """The given options by the losses that take them; one that none takes is a mistake, but for beta."""
    takes = {name: set(inspect.signature(LOSSES[name]).parameters) for name in LOSSES}
    values = {option: value for option, value in given.items() if value is not None}
    for option in values:
        users = [name for name in LOSSES if option in takes[name]]
        if option != "beta" and not set(users) & set(weights):
            named = " + ".join(weights)
            raise UserError(
                f"{option}: the loss {named} does not use it.", f"Leave it out; used by {', '.join(users)}."
            )
    return {name: {option: value for option, value in values.items() if option in takes[name]} for name in weights}


def _weights(given: Mapping[LossName, float], anchor: float | None) -> dict[str, float]:
    unknown = [name for name in given if name not in LOSSES]
    if unknown or not given:
        raise UserError(f"loss: there is no loss {unknown[0] if unknown else ''!r}.", f"Known: {', '.join(LOSSES)}.")
    if "sft" in given and anchor is not None:
        raise UserError("anchor: the loss 'sft' is the anchor, and has its weight already.", "Give one of them.")
    weights: dict[str, float] = dict(given.items())
    weights.setdefault("sft", ANCHOR if anchor is None else anchor)
    negative = [name for name, weight in weights.items() if weight < 0]
    if negative:
        raise UserError(f"loss: the weight of {negative[0]} is below 0.", "A weight is 0 or more.")
    weights = {name: weight for name, weight in weights.items() if weight}
    if not weights:
        raise UserError("loss: all weights are 0.", "Give at least one loss a weight above 0.")
    return weights


def _check_ranges(weights: Mapping[str, float], **given: float | None) -> None:
    ranges: list[tuple[str, Callable[[float], bool], str]] = [
        ("beta", lambda beta: beta > 0, "above 0"),
        ("ld_alpha", lambda alpha: 0 <= alpha <= 1, "from 0 to 1"),
        ("discopop_tau", lambda tau: tau > 0, "above 0"),
        ("label_smoothing", lambda share: 0 <= share < 0.5, "from 0 to below 0.5"),
    ]
    if "exo_pair" in weights:
        ranges.append(("label_smoothing", lambda share: share > 0, "above 0 for exo_pair, which takes its logarithm"))
    for name, fits, wanted in ranges:
        value = given.get(name)
        if value is not None and not fits(value):
            raise UserError(f"{name}: {value:g} will not do.", f"It is {wanted}.")


def _check_divergence(name: str, alpha: float | None, weights: Mapping[str, float]) -> None:
    if name not in ("reverse_kl", *DIVERGENCES):
        raise UserError(f"f_divergence: there is no {name!r}.", f"Known: reverse_kl, {', '.join(DIVERGENCES)}.")
    if alpha is not None and name != "alpha_divergence":
        raise UserError(f"f_alpha: the divergence {name} does not use it.", "It belongs to alpha_divergence.")
    others = [loss for loss in weights if loss not in OF_DIFFERENCE | {"sft"}]
    if name != "reverse_kl" and (others or set(weights) == {"sft"}):
        known = ", ".join(sorted(OF_DIFFERENCE))
        raise UserError(f"f_divergence: the loss {(others or ['sft'])[0]} does not use it.", f"These do: {known}.")
