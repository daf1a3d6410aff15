"""Rows to batches: rendered once, drawn by (seed, epoch) alone, rows of like length together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch

    from tunesmith.models.chat import Tokens

Index = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]  # how often each row is drawn in an epoch
T = TypeVar("T")
Feed = Callable[[int], Iterator[T]]  # the batches from a given step on

ROUND = 4  # widths of batches are multiples of this many tokens
IGNORED = -100  # torch's mark for a label that no loss is taken from


@dataclass(frozen=True)
class Batch:
    """Token ids, which of them are there (not padding), and the labels: the ids to learn, IGNORED elsewhere."""

    ids_BT: torch.Tensor
    attention_BT: torch.Tensor
    labels_BT: torch.Tensor
    step: int = 0


def collate(rows: Sequence[Tokens], *, pad: int, device: str = "cpu", step: int = 0) -> Batch:
    """One batch, padded on the right to its longest row, rounded up."""
    import torch

    longest = max(len(row.ids) for row in rows)
    width = longest + -longest % ROUND  # few widths, so that few kernels are made
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    labels = np.full((len(rows), width), IGNORED, dtype=np.int64)
    attention = np.zeros((len(rows), width), dtype=np.int64)
    for line, row in enumerate(rows):
        length = len(row.ids)
        ids[line, :length] = row.ids
        attention[line, :length] = 1
        labels[line, :length] = np.where(row.mask, row.ids, IGNORED)
    there = [torch.from_numpy(array).to(device) for array in (ids, attention, labels)]
    return Batch(there[0], there[1], there[2], step)


def epoch_of_batches(lengths: Index, *, size: int, weights: Weights, seed: int, epoch: int) -> list[Index]:
    """The batches of one epoch, as indices: shuffled, then sorted by length within windows of 50 batches."""
    rng = np.random.default_rng((seed, epoch))
    whole = np.floor(weights).astype(np.int64)
    times = whole + (rng.random(len(weights)) < weights - whole)
    drawn = rng.permutation(np.repeat(np.arange(len(lengths)), times))
    found = []
    for start in range(0, len(drawn), size * 50):
        window = drawn[start : start + size * 50]
        window = window[np.argsort(lengths[window], kind="stable")]
        found += [window[i : i + size] for i in range(0, len(window), size)]
    return [found[i] for i in rng.permutation(len(found))]


def feed_of(make: Callable[[Index, int], T], lengths: Index, *, size: int, weights: Weights, seed: int) -> Feed[T]:
    """An endless feed of `make(indices, step)` that can begin at any step, for an exact resume."""

    def feed(start: int) -> Iterator[T]:
        step = 0
        for epoch in count():
            plan = epoch_of_batches(lengths, size=size, weights=weights, seed=seed, epoch=epoch)
            for indices in plan:
                if step >= start:
                    yield make(indices, step)
                step += 1

    return feed


def weights_of(rows: Sequence[Any]) -> Weights:
    """How often each row is drawn in an epoch; 1 where a row does not say."""
    weights = np.array([1.0 if row.get("weight") is None else float(row["weight"]) for row in rows])
    if len(weights) and (weights.min() < 0 or weights.sum() <= 0):
        raise UserError("A row has a negative weight, or all weights are 0.", "A weight is 0 or more.")
    return weights


def by_length(lengths: Index, size: int) -> list[Index]:
    """All rows once, in batches of like length, for measuring."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]
