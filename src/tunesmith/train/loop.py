"""The one training loop: any loss, a budget of steps, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Feed
from tunesmith.train.resume import load_state, save_state

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

T = TypeVar("T")
Numbers = dict[str, float]
Loss = Callable[["PreTrainedModel", T], "tuple[torch.Tensor, Mapping[str, torch.Tensor]]"]
Weights = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Settings:
    """How the weights move: AdamW, a warm-up, then a cosine to 2 % of the learning rate; gradients clipped."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: float = 0.05
    clip: float = 1.0
    seed: int = 0
    validate_every: int = 100
    patience: int | None = None  # measurements without a better validation loss before it stops
    save_every_s: float = 3.0  # when state is written changes no result


@dataclass
class State:
    """Everything a resumed training needs; random numbers are a function of (seed, step) and need no keeping."""

    step: int = 0
    curve: list[Numbers] = field(default_factory=list)
    sums: Numbers = field(default_factory=dict)
    best: float = math.inf
    best_step: int = 0
    best_weights: Weights | None = None


def train(
    model: PreTrainedModel,
    batches: Feed[T],
    *,
    loss: Loss[T],
    settings: Settings,
    validate: Callable[[], Numbers] | None,
    resume: Path,
    fingerprint: str,
    say: Callable[[str], None],
    progress: Callable[[int, int, Mapping[str, float]], None],
) -> State:
    """Train to the step budget (or until validation stops improving) and leave the best weights in the model.

    `validate` returns at least "validation_loss"; without it the last weights stay. Killed at any moment and called
    again with the same arguments, it ends with the same bytes as if undisturbed, on the same device and threads.
    """
    optimizer = _optimizer(model, settings)
    state = _resumed(model, optimizer, resume, fingerprint, say)
    saver = _Saver(resume, settings.save_every_s)
    for batch in batches(state.step):
        if state.step >= settings.steps or _exhausted(state, settings):
            break
        numbers = _step(model, optimizer, batch, loss, settings, state.step)
        state.step += 1
        _measure(model, state, numbers, settings, validate)
        progress(state.step, settings.steps, numbers)
        saver.maybe(lambda: _packed(model, optimizer, state, fingerprint), state.step)
    if state.best_weights is not None:
        model.load_state_dict(state.best_weights)
    return state


def _optimizer(model: PreTrainedModel, settings: Settings) -> torch.optim.AdamW:
    import torch

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)


def _step(
    model: PreTrainedModel, optimizer: torch.optim.AdamW, batch: T, loss: Loss[T], settings: Settings, step: int
) -> Numbers:
    import torch

    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, settings)
    torch.manual_seed(settings.seed * 1_000_003 + step)
    value, shown = loss(model, batch)
    value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    numbers = {"loss": value.item(), **{name: number.item() for name, number in shown.items()}}
    if not math.isfinite(numbers["loss"]):
        raise UserError(
            f"The loss became {numbers['loss']} at step {step + 1}.",
            f"Lower the learning rate (it is {settings.learning_rate:g}).",
        )
    return numbers


def learning_rate_at(step: int, settings: Settings) -> float:
    """The learning rate of a step: linear warm-up, then a cosine down to 2 %."""
    warm = max(1, round(settings.steps * settings.warmup))
    rise = min(1.0, (step + 1) / warm)
    fall = 0.5 + 0.5 * math.cos(math.pi * step / max(1, settings.steps))
    return settings.learning_rate * max(0.02, rise * fall)


def _measure(
    model: PreTrainedModel,
    state: State,
    numbers: Numbers,
    settings: Settings,
    validate: Callable[[], Numbers] | None,
) -> None:
    for name, number in numbers.items():
        state.sums[name] = state.sums.get(name, 0.0) + number
    state.sums["count"] = state.sums.get("count", 0.0) + 1
    if state.step % settings.validate_every and state.step != settings.steps:
        return
    count = state.sums.pop("count")
    entry = {"step": float(state.step), **{name: total / count for name, total in state.sums.items()}}
    state.sums = {}
    entry |= validate() if validate else {}
    state.curve.append(entry)
    if entry.get("validation_loss", math.inf) < state.best:
        state.best, state.best_step = entry["validation_loss"], state.step
        state.best_weights = _copied(model)


def _copied(model: PreTrainedModel) -> Weights:
    # Tied weights appear under two names; one copy serves both, and stays one when saved.
    seen: dict[int, torch.Tensor] = {}
    for tensor in model.state_dict().values():
        seen.setdefault(tensor.data_ptr(), tensor.detach().clone())
    return {name: seen[tensor.data_ptr()] for name, tensor in model.state_dict().items()}


def _exhausted(state: State, settings: Settings) -> bool:
    measured = sum(1 for entry in state.curve if entry["step"] > state.best_step and "validation_loss" in entry)
    return settings.patience is not None and measured >= settings.patience


def _packed(model: PreTrainedModel, optimizer: torch.optim.AdamW, state: State, fingerprint: str) -> dict[str, object]:
    packed = {**vars(state), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    return {**packed, "fingerprint": fingerprint}


def _resumed(
    model: PreTrainedModel,
    optimizer: torch.optim.AdamW,
    folder: Path,
    fingerprint: str,
    say: Callable[[str], None],
) -> State:
    packed = load_state(folder, fingerprint=fingerprint)
    if packed is None:
        return State()
    packed.pop("fingerprint")
    model.load_state_dict(cast("Weights", packed.pop("model")))
    optimizer.load_state_dict(cast("dict[str, object]", packed.pop("optimizer")))
    state = State(**packed)  # type: ignore[arg-type]  # written by _packed, checked by its hash
    say(f"goes on from step {state.step}")
    return state


class _Saver:
    """Writes the state every few seconds, less often where a write takes long."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self.folder = folder
        self.every_s = every_s
        self.due = time.monotonic()  # the first write is at once: a full disk shows before the work is done

    def maybe(self, packed: Callable[[], dict[str, object]], step: int) -> None:
        """Write if it is time."""
        begun = time.monotonic()
        if begun < self.due:
            return
        save_state(self.folder, packed(), step)
        ended = time.monotonic()
        self.due = ended + self.every_s * max(1.0, 7 * (ended - begun))  # a write of 1 s comes every 21 s
