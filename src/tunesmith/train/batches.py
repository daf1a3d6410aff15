"""Rows to batches: drawn by (seed, epoch) alone, rows of like length together, a step's batch in parts that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

    from tunesmith.models.chat import Tokens

Index = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]  # how often each row is drawn in an epoch
T = TypeVar("T")
Feed = Callable[[int], Iterator[Iterable[T]]]  # the batches from a given step on, each as parts that fit into memory

ROUND = 4  # widths of batches are multiples of this many tokens
IGNORED = -100  # torch's mark for a label that no loss is taken from


@dataclass(frozen=True)
class Line:
    """Token ids of a row, and 1 for each that is to be learnt."""

    ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Whole:
    """The batch that a part belongs to: losses of parts are taken over it, so that parts only save memory."""

    step: int
    rows: int
    tokens: int  # labels
    part: int = 0  # which of its parts this is


@dataclass(frozen=True)
class Batch:
    """Rows of tokens, padded or packed.

    Padded rows have `attention_BT` (which tokens are there); packed ones have `places_BT` instead, which begins at 0
    with each row, and attention stays within rows. Labels are the ids to learn, IGNORED elsewhere.
    """

    ids_BT: torch.Tensor
    attention_BT: torch.Tensor | None
    labels_BT: torch.Tensor
    places_BT: torch.Tensor | None = None
    whole: Whole | None = None  # without it the batch is whole itself
    rows: Index | None = None  # which rows these are, where the loss must know
    there: int = 0  # tokens that are not padding
    bounds: torch.Tensor | None = None  # [rows + 1] where packed rows begin, and the end: only for flash attention
    longest: int = 0  # tokens of the longest packed row, padding at the end being one

    @property
    def inputs(self) -> dict[str, torch.Tensor | int]:
        """What the model is called with. Packed attention is exact only without mask and cache."""
        given: dict[str, torch.Tensor | int] = {"input_ids": self.ids_BT, "use_cache": False}
        if self.attention_BT is not None:
            given["attention_mask"] = self.attention_BT
        if self.places_BT is not None:
            given["position_ids"] = self.places_BT
        if self.bounds is not None:  # or every layer would look for them, and wait for the device
            given |= {f"cu_seq_lens_{side}": self.bounds for side in "qk"}
            given |= {f"max_length_{side}": self.longest for side in "qk"}
        return given

    @property
    def causal_inputs(self) -> dict[str, torch.Tensor | int]:
        """The same for a causal model: no token sees the padding behind it, so that no mask is needed."""
        return {name: value for name, value in self.inputs.items() if name != "attention_mask"}


def collate(rows: Sequence[Tokens | Line], *, pad: int, device: str = "cpu", whole: Whole | None = None) -> Batch:
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
    made = [torch.from_numpy(array).to(device) for array in (ids, attention, labels)]
    return Batch(made[0], made[1], made[2], whole=whole, there=int(attention.sum()))


def pack(
    rows: Sequence[Tokens | Line],
    *,
    pad: int,
    device: str = "cpu",
    whole: Whole | None = None,
    bounds: bool = False,
) -> Batch:
    """One batch [1, T] of all rows end to end, without padding but that to a multiple of 64 tokens."""
    import torch

    total = sum(len(row.ids) for row in rows)
    width = total + -total % 64
    ids = np.full(width, pad, dtype=np.int64)
    labels = np.full(width, IGNORED, dtype=np.int64)
    places = np.arange(width) - total  # the padding behind the last row is a row of its own
    start = 0
    for row in rows:
        place = slice(start, start + len(row.ids))
        ids[place], places[place] = row.ids, np.arange(len(row.ids))
        labels[place] = np.where(row.mask, row.ids, IGNORED)
        labels[start] = IGNORED  # or it would be predicted from the row before
        start = place.stop
    made = [torch.from_numpy(array)[None].to(device) for array in (ids, labels, places)]
    batch = Batch(made[0], None, made[1], made[2], whole, there=total)
    if not bounds:
        return batch
    begins = np.append(np.flatnonzero(places == 0), width).astype(np.int32)
    return replace(batch, bounds=torch.from_numpy(begins).to(device), longest=int(np.diff(begins).max()))


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


def feed_of(
    make: Callable[[Index, int], Iterable[T]], lengths: Index, *, size: int, weights: Weights, seed: int
) -> Feed[T]:
    """An endless feed of `make(indices, step)` that can begin at any step, for an exact resume."""

    def feed(start: int) -> Iterator[Iterable[T]]:
        step = 0
        for epoch in count():
            plan = epoch_of_batches(lengths, size=size, weights=weights, seed=seed, epoch=epoch)
            if step + len(plan) <= start:
                step += len(plan)
                continue
            for indices in plan:
                if step >= start:
                    yield make(indices, step)
                step += 1

    return feed


def parts_of(indices: Index, lengths: Index, room: int | None, *, world: int = 1, packed: bool = False) -> list[Index]:
    """Rows of a batch in parts of at most `room` tokens each, padding counted unless they will be packed.

    A longer row is a part of its own. For more than one process there are `world` parts of like length in turn, one a
    process, as long as rows suffice.
    """
    if room is None and world == 1:
        return [indices]
    ordered = indices[np.argsort(lengths[indices], kind="stable")]
    rounds: list[list[int]] = [[]]
    held = 0
    for index in ordered:
        length = int(lengths[index])
        rows = -(-(len(rounds[-1]) + 1) // world)
        tokens = (held + length) / world if packed else rows * length
        if room is not None and len(rounds[-1]) >= world and tokens > room:
            rounds.append([])
            held = 0
        rounds[-1].append(int(index))
        held += length
    dealt = [one[process::world] for one in rounds for process in range(world)]
    return [np.array(part, dtype=np.int64) for part in dealt if part]


def by_length(lengths: Index, size: int) -> list[Index]:
    """All rows once, in batches of like length, for measuring."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


def mean_length(lengths: Index) -> float:
    """The length of the row that a token stands in, on average; the cost of attention follows from it."""
    return float((lengths.astype(float) ** 2).sum() / max(1.0, float(lengths.sum())))
