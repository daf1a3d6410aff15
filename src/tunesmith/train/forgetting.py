"""What a training on a domain gains there and loses on general text, and which weights may be kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.core.numbers import Number
from tunesmith.models.likelihood import token_nats_and_firsts
from tunesmith.stats.intervals import mean, paired_difference
from tunesmith.train.batches import Index
from tunesmith.train.language import HeldOut
from tunesmith.train.loop import Numbers, State

if TYPE_CHECKING:
    from tunesmith.train.start import Start

Change = dict[str, dict[str, float | int | None]]  # before, after, difference: each a Number's fields
Values = npt.NDArray[np.float64]
GENERAL = "validation_general_loss"


@dataclass(frozen=True)
class Measured:
    """What a model made of held-out documents: of each token that was measured its nats, and if it came first."""

    held: HeldOut
    nats: Sequence[npt.NDArray[np.float32]]  # of each piece
    firsts: Sequence[npt.NDArray[np.bool_]]

    @cached_property
    def all_nats(self) -> Values:
        """Nats of each token, of all pieces end to end."""
        return np.concatenate(self.nats).astype(np.float64)

    @cached_property
    def all_firsts(self) -> npt.NDArray[np.bool_]:
        """Whether each token was the model's first choice, of all pieces end to end."""
        return np.concatenate(self.firsts)

    @cached_property
    def documents(self) -> Index:
        """The document of each token, of all pieces end to end."""
        pieces = self.held.pieces()
        sizes = [end - begin for _, begin, end in pieces]
        return np.repeat(np.array([document for document, _, _ in pieces], dtype=np.int64), sizes)

    def numbers(self) -> Numbers:
        """Loss and bits a byte, as the loop would measure them."""
        pieces = zip(self.held.pieces(), self.nats, strict=True)
        return self.held.numbers_of([(document, begin, nats) for (document, begin, _), nats in pieces])


def measured(held: HeldOut, start: Start) -> Measured:
    """What the model makes of held-out documents as it is now."""
    start.model.eval()
    with start.device.autocast():
        nats, firsts = token_nats_and_firsts(start.model, held.rows(), pad=held.documents.end)
    start.model.train()
    return Measured(held, nats, firsts)


def change(before: Values, after: Values, documents: Index) -> Change:
    """Mean before and after, and their paired difference, each with its 95 % interval by document."""
    groups = documents.tolist()
    found = {
        "before": mean(before, groups=groups),
        "after": mean(after, groups=groups),
        "difference": paired_difference(after, before, groups=groups),
    }
    return {name: number.as_json() for name, number in found.items()}


def forgetting(before: Measured, after: Measured) -> dict[str, Change]:
    """Nats a token and bits a byte before and after, of the same held-out documents."""
    loss = change(before.all_nats, after.all_nats, before.documents)
    factor = before.held.bits_per_byte()
    bits = {name: _times(Number.from_json(number), factor) for name, number in loss.items()}
    return {"loss": loss, "bits_per_byte": bits}


def _times(number: Number, factor: float) -> dict[str, float | int | None]:
    value, low, high = (None if one is None else one * factor for one in (number.value, number.low, number.high))
    return replace(number, value=value, low=low, high=high).as_json()


@dataclass(frozen=True)
class Kept:
    """What is measured while a domain is learnt, and whether a measurement's weights may be kept.

    They may while general text costs at most `margin` nats a token more than before the first step.
    """

    measure: Callable[[], Numbers]
    begin: Numbers  # before the first step
    margin: float | None = None

    def __call__(self) -> Numbers:
        """The numbers of the model as it is, with "eligible" 1 where its weights may be kept, else 0."""
        numbers = self.measure()
        return {**numbers, "eligible": float(not self.lost(numbers))}

    def lost(self, numbers: Mapping[str, float]) -> bool:
        """Whether general text costs more than may be."""
        return self.margin is not None and numbers[GENERAL] > self.begin[GENERAL] + self.margin

    def warnings(self, state: State) -> tuple[str, ...]:
        """Why the start was kept, where no measurement had a lower loss on the domain and stayed within the margin."""
        if state.best_step:
            return ()
        later = [entry for entry in state.curve if entry["step"]]
        better = [entry for entry in later if entry["validation_loss"] < self.begin["validation_loss"]]
        if not better:
            return ("no measurement had a lower loss on the domain than the start: the start is kept",)
        least = min(better, key=lambda entry: entry[GENERAL])
        return (
            f"general text cost {least[GENERAL] - self.begin[GENERAL]:.3f} nats a token more than before at step "
            f"{least['step']:.0f}, where it was least; forgetting_margin allows {self.margin:g}: the start is kept; "
            "raise replay_share, or lower learning_rate or steps",
        )
