"""What a trainer is given and what it hands back; the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Learns = Literal["chats", "pairs", "texts", "prompts"]  # what a trainer's LEARNS says that its rows are
Row = Mapping[str, object]
Texts = Sequence[str]
Watch = Callable[[Texts, Texts], Mapping[str, float]]  # answers and what was expected -> numbers to watch
Reward = Callable[[Sequence[Row], Texts], Sequence[float]]  # rows of prompts and an answer to each -> higher is better


class Rows(Protocol):
    """Rows that can be gone through again and again, in the same order; they need not fit into memory."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __iter__(self) -> Iterator[Row]:
        """The rows, from the first."""


@dataclass(frozen=True)
class Scratch:
    """Random weights: a size of costs.shapes.SIZES, and options of `scratch_tokenizer` and `scratch_model`."""

    size: str
    tokenizer: Mapping[str, object] = field(default_factory=dict)
    init: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """A small set of weights to train beside frozen ones: a name of `adapters.ADAPTERS`, and its options."""

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class General:
    """General text that is learnt beside a domain's own, and held out to see what is forgotten."""

    train: Rows
    validation: Rows


@dataclass(frozen=True)
class Job:
    """One training: where it starts, what it learns from, where it writes, and how it speaks.

    A row has `text`, a document; or `messages`, a list of {role, content}. In a row of preferences `messages` is the
    prompt and `chosen` and `rejected` are lists of the messages that answer it; or it has `desirable`, which says of a
    whole chat whether its last turn is a good answer. `weight` (default 1) is how often a row is drawn in an epoch, on
    average. `out` is an empty folder that becomes a Hugging Face model folder (of an adapter where one is trained);
    `home` is where it will lie in the end, if elsewhere; `resume` is kept apart from it.
    `watch` scores answers to held-out prompts while preferences are learnt, `reward` those that are learnt from.
    """

    start: Path | Scratch
    train: Rows
    validation: Rows
    out: Path
    resume: Path
    seed: int
    say: Callable[[str], None]
    progress: Callable[[int, int, Mapping[str, float]], None]
    adapter: Adapter | None = None
    watch: Watch | None = None
    home: Path | None = None
    general: General | None = None
    reward: Reward | None = None


@dataclass(frozen=True)
class Computed:
    """A setting that was not given: its value, and what it follows from."""

    value: float | str
    why: str


@dataclass(frozen=True)
class Trained:
    """What a training did: its length, its curve (one entry a measurement) and the settings it computed."""

    steps: int
    epochs: float
    curve: list[dict[str, float]]
    chosen: dict[str, object]
    parameters: int
    trained: int  # of the parameters: those that moved
    warnings: tuple[str, ...] = ()
    adapter: Mapping[str, object] | None = None  # what is known of the adapter, where one was trained
    facts: Mapping[str, object] = field(default_factory=dict)  # what else was found, for the manifest and the report
