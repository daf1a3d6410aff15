"""The one training loop: any loss over the parts of a batch, a budget of steps, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Feed
from tunesmith.train.devices import dealt, here
from tunesmith.train.meter import Meter
from tunesmith.train.resume import load_state, save_state
from tunesmith.train.spread import Alone, laid_out
from tunesmith.train.stop import Stop

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
    meter: Meter | None = None,
    begin: Numbers | None = None,
) -> State:
    """Train to the step budget (or until validation stops improving) and leave the best weights in the model.

    `loss` gives of each part of a batch its share of the batch's loss, so that the shares add up to it. `validate`
    returns at least "validation_loss"; without it the last weights stay. An "eligible" of 0 among its numbers keeps
    these weights from being the best. `begin` are its numbers before the first step, the first of the curve. Killed at
    any moment and called again with the same arguments, it ends with the same bytes as if undisturbed, on the same
    devices and threads; asked to end (SIGTERM), it writes its state first. On more than one device each process calls
    this with the same arguments; the main one writes, and is left with the weights.
    """
    devices = here()
    fingerprint = devices.mark(fingerprint)
    lie = laid_out(model, devices)
    optimizer = _optimizer(model, settings)
    state = _resumed(model, lie, optimizer, resume, fingerprint, say)
    devices.check_same("the step to go on from", state.step)
    saver = _Saver(resume, settings.save_every_s)
    meter = meter or Meter()
    if begin is not None and not state.curve:
        _enter(model, state, {"step": 0.0, **begin})
    with Stop() as stop:
        for parts in batches(state.step):
            if state.step >= settings.steps or _exhausted(state, settings):
                break
            sums = _step(model, lie, optimizer, parts, loss, settings, state.step, meter)
            # One process may be asked to end, and clocks differ: what is decided, is decided by all at the same step.
            wishes = {"asked": float(stop.asked), "due": float(devices.is_main and saver.is_due())}
            numbers = devices.added({**sums, **wishes})
            stop.asked, due = numbers.pop("asked") > 0, numbers.pop("due") > 0
            _check_finite(numbers["loss"], state.step, settings)
            state.step += 1
            _measure(model, lie, state, numbers, settings, validate)
            progress(state.step, settings.steps, {**numbers, **meter.numbers()})
            if due or stop.asked:
                saver.save(lambda: _packed(model, lie, optimizer, state, fingerprint), state.step)
            stop.leave_if_asked(f"training stopped at step {state.step:,} of {settings.steps:,}")
    if state.best_weights is not None:
        _put(model, lie, state.best_weights)
    lie.end()
    return state


def _optimizer(model: PreTrainedModel, settings: Settings) -> torch.optim.AdamW:
    import torch

    weights = trained_weights(model)
    groups = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=True)


def _step(
    model: PreTrainedModel,
    lie: Alone,
    optimizer: torch.optim.AdamW,
    parts: Iterable[T],
    loss: Loss[T],
    settings: Settings,
    step: int,
    meter: Meter,
) -> dict[str, torch.Tensor]:
    """Take one step; gives this process's share of what is shown of it."""
    import torch

    devices = here()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, settings)
    torch.manual_seed((settings.seed * 1_000_003 + step) * devices.world + devices.rank)
    sums: dict[str, torch.Tensor] = {}
    for everyone, part, idle, last in dealt(parts, devices):
        with lie.exchanging(last):
            value, shown = lie.call(partial(loss, model, part))
            value = value * 0.0 if idle else value
            value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name, number in {"loss": value.detach(), **shown}.items():
            number = number * 0.0 if idle else number
            sums[name] = sums[name] + number if name in sums else number
        for one in everyone:
            meter.add(one)
    torch.nn.utils.clip_grad_norm_(trained_weights(model), settings.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    meter.end_of_step()
    return sums


def _check_finite(loss: float, step: int, settings: Settings) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"The loss became {loss} at step {step + 1}.",
            f"Lower the learning rate (it is {settings.learning_rate:g}).",
        )


def trained_weights(model: PreTrainedModel) -> list[torch.nn.Parameter]:
    """The weights that move."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def learning_rate_at(step: int, settings: Settings) -> float:
    """The learning rate of a step: linear warm-up, then a cosine down to 2 %."""
    warm = max(1, round(settings.steps * settings.warmup))
    rise = min(1.0, (step + 1) / warm)
    fall = 0.5 + 0.5 * math.cos(math.pi * step / max(1, settings.steps))
    return settings.learning_rate * max(0.02, rise * fall)


def _measure(
    model: PreTrainedModel,
    lie: Alone,
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
    _enter(model, state, entry | (lie.measure(validate) if validate else {}))


def _enter(model: PreTrainedModel, state: State, entry: Numbers) -> None:
    """One more measurement of the curve; its weights are kept if they are the best that may be."""
    eligible = entry.pop("eligible", 1.0)
    state.curve.append(entry)
    if eligible and entry.get("validation_loss", math.inf) < state.best:
        state.best, state.best_step = entry["validation_loss"], state.step
        state.best_weights = _copied(model)


def _moving(model: PreTrainedModel) -> Weights:
    """What training changes: the trained weights, and buffers; frozen weights (with their scales) are the start's."""
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    frozen = {name for name, weight in model.named_parameters(remove_duplicate=False) if not weight.requires_grad}
    moving = {name for name, _ in named} - frozen
    return {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if name in moving}


def _put(model: PreTrainedModel, lie: Alone, weights: Weights) -> None:
    wrong = model.load_state_dict(lie.placed(weights), strict=False).unexpected_keys
    assert not wrong, f"weights that the model does not have: {wrong}"


def _copied(model: PreTrainedModel) -> Weights:
    # Tied weights appear under two names; one copy serves both, and stays one when saved.
    moving = _moving(model)
    seen: dict[int, torch.Tensor] = {}
    for tensor in moving.values():
        seen.setdefault(id(tensor), _kept(tensor))
    return {name: seen[id(tensor)] for name, tensor in moving.items()}


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    """A copy that stays: of a whole tensor on the CPU, as a GPU's memory is for training; of a shard where it lies."""
    whole = not hasattr(tensor, "full_tensor")
    return tensor.detach().to("cpu", copy=True) if whole else tensor.detach().clone()


def _exhausted(state: State, settings: Settings) -> bool:
    measured = sum(1 for entry in state.curve if entry["step"] > state.best_step and "validation_loss" in entry)
    return settings.patience is not None and measured >= settings.patience


def _packed(
    model: PreTrainedModel, lie: Alone, optimizer: torch.optim.AdamW, state: State, fingerprint: str
) -> dict[str, object]:
    moving = {name: tensor.data for name, tensor in lie.whole(_moving(model)).items()}
    packed = {**lie.whole(vars(state)), "model": moving, "optimizer": lie.whole(optimizer.state_dict())}
    return {**packed, "fingerprint": fingerprint}


def _resumed(
    model: PreTrainedModel,
    lie: Alone,
    optimizer: torch.optim.AdamW,
    folder: Path,
    fingerprint: str,
    say: Callable[[str], None],
) -> State:
    packed = load_state(folder, fingerprint=fingerprint)
    if packed is None:
        return State()
    packed.pop("fingerprint")
    _put(model, lie, cast("Weights", packed.pop("model")))
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    optimizer.load_state_dict(lie.placed_state(cast("dict[str, object]", packed.pop("optimizer")), weights))
    state = State(**packed)  # type: ignore[arg-type]  # written by _packed, checked by its hash
    say(f"goes on from step {state.step}")
    return state


class _Saver:
    """Writes the state every few seconds, less often where a write takes long."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self.folder = folder
        self.every_s = every_s
        self.due = time.monotonic()  # the first write is at once: a full disk shows before the work is done

    def is_due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self.due

    def save(self, packed: Callable[[], dict[str, object]], step: int) -> None:
        """Write; the next time is later, the longer it took."""
        begun = time.monotonic()
        save_state(self.folder, packed(), step)
        ended = time.monotonic()
        self.due = ended + self.every_s * max(1.0, 7 * (ended - begun))  # a write of 1 s comes every 21 s
