"""Windows of equal length over streams of documents: the batches of pre-training, without padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.train.batches import Feed, Index, Whole
from tunesmith.train.documents import Documents

if TYPE_CHECKING:
    import torch

Ids = npt.NDArray[np.int64]  # [2, T + 1]: the ids of a window and the token that follows, and the place of each


@dataclass(frozen=True)
class Windows:
    """Some windows of a step: what the model sees, and at each place the token that follows, [B, T] each."""

    ids_BT: torch.Tensor
    targets_BT: torch.Tensor
    whole: Whole
    places_BT: torch.Tensor | None = None  # beginning at 0 with each document, where attention stays within documents

    @property
    def there(self) -> int:
        """Tokens: none is padding."""
        return self.ids_BT.numel()

    @property
    def inputs(self) -> dict[str, torch.Tensor | bool]:
        """What the model is called with."""
        given: dict[str, torch.Tensor | bool] = {"input_ids": self.ids_BT, "use_cache": False}
        return given if self.places_BT is None else {**given, "position_ids": self.places_BT}


class Stream:
    """Documents in an order that follows from (seed, epoch), end to end, cut into windows of `length` tokens.

    An epoch has each document as often as its weight says: in any number of epochs one of weight 0.3 is drawn 0.3 times
    as often, up to one time more. Windows begin at another place in each epoch, and come in an order of their own:
    neighbours of one long document are not neighbours of a batch. In memory are a few numbers a document and one a
    window; the tokens stay on disk.
    """

    def __init__(self, documents: Documents, *, length: int, seed: int) -> None:
        self.documents = documents
        self.length = length
        self.seed = seed
        self.windows = max(1, int(documents.drawn) // length)  # of an epoch
        self._ahead = np.random.default_rng(seed).random(len(documents))  # of the times a document was drawn
        self._plan = lru_cache(maxsize=2)(self._planned)

    def window(self, number: int) -> Ids:
        """Ids and places of a window and of the token that follows it; numbers go on through the epochs."""
        epoch, place = divmod(number, self.windows)
        plan = self._plan(epoch)
        return plan.take(self.documents, plan.offset + int(plan.order[place]) * self.length, self.length + 1)

    def _planned(self, epoch: int) -> _Plan:
        rng, weights = np.random.default_rng((self.seed, epoch)), self.documents.weights
        before, behind = (np.floor(weights * count + self._ahead).astype(np.int64) for count in (epoch, epoch + 1))
        times = behind - before if (behind > before).any() else (weights > 0).astype(np.int64)
        drawn = rng.permutation(np.repeat(np.arange(len(weights)), times))
        begins = np.concatenate([[0], np.cumsum(self.documents.lengths[drawn])]).astype(np.int64)
        return _Plan(drawn, begins, int(rng.integers(self.length)), rng.permutation(self.windows))


@dataclass(frozen=True)
class _Plan:
    """An epoch: its documents in order, where each begins, where windows begin, and their order."""

    drawn: Index
    begins: Index  # [drawn + 1]
    offset: int
    order: Index

    def take(self, documents: Documents, begin: int, count: int) -> Ids:
        """So many tokens of the epoch's stream, and the place of each in its document; behind its end comes its start.

        The places of the first document begin at 0 where it is cut.
        """
        found = np.empty((2, count), dtype=np.int64)
        done, total = 0, int(self.begins[-1])
        while done < count:
            at = (begin + done) % total
            place = int(np.searchsorted(self.begins, at, side="right")) - 1
            ids = documents.text_ids(int(self.drawn[place]))[at - int(self.begins[place]) :][: count - done]
            found[0, done : done + len(ids)] = ids
            found[1, done : done + len(ids)] = np.arange(len(ids))
            done += len(ids)
        return found


@dataclass(frozen=True)
class Mixture:
    """Streams drawn by shares: of each batch, and exactly so over many, whatever the streams' sizes."""

    streams: Sequence[Stream]
    shares: Sequence[float]  # adding up to 1

    def batch(self, step: int, size: int) -> list[Ids]:
        """The windows of a step."""
        return [
            stream.window(number)
            for stream, share in zip(self.streams, self.shares, strict=True)
            for number in range(*_numbers(step, size, share))
        ]

    def epochs(self, steps: int, size: int) -> list[float]:
        """How often each stream is gone through in so many steps."""
        return [
            _numbers(steps, size, share)[0] / stream.windows
            for stream, share in zip(self.streams, self.shares, strict=True)
        ]


def _numbers(step: int, size: int, share: float) -> tuple[int, int]:
    """The first window of a step and the one behind its last: rounded over all steps, not in each."""
    return round(step * size * share), round((step + 1) * size * share)


def feed_of_windows(
    mixture: Mixture, *, size: int, rows: int | None, device: str, apart: bool = False, world: int = 1
) -> Feed[Windows]:
    """An endless feed that can begin at any step; a batch comes in parts of at most `rows` windows, one a process.

    With `apart`, attention stays within documents.
    """
    most = min(rows or size, -(-size // world))

    def feed(start: int) -> Iterator[Iterator[Windows]]:
        step = start
        while True:
            yield _parts(mixture.batch(step, size), step, most, device, apart)
            step += 1

    return feed


def _parts(windows: list[Ids], step: int, most: int, device: str, apart: bool) -> Iterator[Windows]:
    whole = Whole(step, len(windows), sum(window.shape[1] - 1 for window in windows))
    for begin in range(0, len(windows), most):
        yield windows_of(np.stack(windows[begin : begin + most], axis=1), whole, device, apart=apart)


def windows_of(rows: Ids, whole: Whole, device: str, *, apart: bool = False) -> Windows:
    """Ids and places of rows, [2, B, T + 1], as what is seen and what follows."""
    import torch

    ids, places = torch.from_numpy(rows).to(device)
    return Windows(
        ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), whole, places[:, :-1].contiguous() if apart else None
    )
