"""Rendered rows on disk: token ids and loss masks in flat files, read through memory maps, so that any amount fits."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens
from tunesmith.train.batches import Index, Line, Weights
from tunesmith.train.job import Row, Rows

AT_ONCE = 1000  # rows rendered in one call
Render = Callable[[Sequence[Row]], list[Tokens]]


@dataclass(frozen=True)
class Corpus:
    """Rows of tokens end to end: row i is ids[ends[i]:ends[i+1]], with 1 in the mask where the model is to learn."""

    ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.uint8]
    ends: Index  # [rows + 1], beginning with 0
    labels: Index  # [rows], tokens to learn in each row

    def __len__(self) -> int:
        """Rows."""
        return len(self.labels)

    def __getitem__(self, row: int) -> Line:
        """The tokens of one row."""
        place = slice(int(self.ends[row]), int(self.ends[row + 1]))
        return Line(self.ids[place], self.mask[place])

    @property
    def lengths(self) -> Index:
        """Tokens of each row."""
        return np.diff(self.ends)

    def rows(self, indices: Index) -> list[Line]:
        """The tokens of some rows."""
        return [self[int(i)] for i in indices]

    @property
    def longest_answer(self) -> int:
        """The most tokens that a row has to learn."""
        return int(self.labels.max(initial=0))


@dataclass(frozen=True)
class Rendered:
    """The rows that fit, as one corpus for each side (the two answers of a pair, or the one chat), and what did not."""

    sides: tuple[Corpus, ...]
    weights: Weights
    kept: Index  # places of the rows among all rows
    too_long: int
    empty: int

    def __len__(self) -> int:
        """Rows."""
        return len(self.kept)

    @property
    def lengths(self) -> Index:
        """Tokens of the longest side of each row."""
        longest: Index = np.max([side.lengths for side in self.sides], axis=0)
        return longest

    def fingerprint(self) -> str:
        """Hash of all tokens, masks and weights."""
        digest = hashlib.sha256()
        for side in self.sides:
            for values in (side.ends, side.ids, side.mask):
                digest.update(np.ascontiguousarray(values).data)
        digest.update(np.ascontiguousarray(self.weights).data)
        return digest.hexdigest()


def render_rows(rows: Rows, renders: Sequence[Render], *, limit: int, folder: Path) -> Rendered:
    """Render each row once for each side; a row stays if every side fits the limit and has something to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    kept, weights = array("q"), array("d")  # eight bytes a row
    counts = {"long": 0, "empty": 0}
    with ExitStack() as files:
        sinks = [_Sink(folder / f"side{number}", files) for number in range(len(renders))]
        for place, row, sides in _rendered(rows, renders):
            long = any(len(side.ids) > limit for side in sides)
            if long or not all(any(side.mask[1:]) for side in sides):
                counts["long" if long else "empty"] += 1
                continue
            kept.append(place)
            weights.append(weight_of(row))
            for sink, side in zip(sinks, sides, strict=True):
                sink.add(side)
    found = np.frombuffer(weights) if weights else np.empty(0)
    if len(found) and found.sum() <= 0:
        raise UserError("All weights of the rows are 0.", "A weight is 0 or more, and some are more.")
    return Rendered(tuple(sink.corpus() for sink in sinks), found, _numbers(kept), counts["long"], counts["empty"])


def _rendered(rows: Rows, renders: Sequence[Render]) -> Iterator[tuple[int, Row, tuple[Tokens, ...]]]:
    place = 0
    waiting = iter(rows)
    while some := list(islice(waiting, AT_ONCE)):
        for row, sides in zip(some, zip(*(render(some) for render in renders), strict=True), strict=True):
            yield place, row, sides
            place += 1


def weight_of(row: Row) -> float:
    """How often a row is drawn in an epoch; 1 where it does not say."""
    given = row.get("weight")
    weight = 1.0 if given is None else float(str(given))
    if weight < 0:
        raise UserError(f"The row {row.get('id', '?')} has the weight {weight:g}.", "A weight is 0 or more.")
    return weight


class _Sink:
    """Appends rows to the two flat files of a side."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        self.paths = path.with_suffix(".ids"), path.with_suffix(".mask")
        self.files: list[BinaryIO] = [files.enter_context(one.open("wb")) for one in self.paths]
        self.ends, self.labels = array("q", [0]), array("q")

    def add(self, row: Tokens) -> None:
        """One more row."""
        mask = np.asarray(row.mask, dtype=np.uint8)
        self.files[0].write(np.asarray(row.ids, dtype=np.int32).tobytes())
        self.files[1].write(mask.tobytes())
        self.ends.append(self.ends[-1] + len(mask))
        self.labels.append(int(mask[1:].sum()))  # the first token has none before it to be predicted from

    def corpus(self) -> Corpus:
        """What was added, through memory maps."""
        for file in self.files:
            file.close()
        ids, mask = (_mapped(path, kind) for path, kind in zip(self.paths, (np.int32, np.uint8), strict=True))
        return Corpus(ids, mask, _numbers(self.ends), _numbers(self.labels))


def _numbers(values: array[int]) -> Index:
    return np.frombuffer(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)


def _mapped(path: Path, kind: type) -> npt.NDArray[Any]:
    return np.memmap(path, dtype=kind, mode="r") if path.stat().st_size else np.empty(0, dtype=kind)
