"""What a trainer is given and what it hands back; the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = Mapping[str, object]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Scratch:
    """Random weights: a size name of `scratch.SIZES`, and the options of `scratch_tokenizer` and `scratch_model`."""

    size: str
    tokenizer: Mapping[str, object] = field(default_factory=dict)
    init: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One training: where it starts, what it learns from, where it writes, and how it speaks.

    A row has `messages`, a list of {role, content}. In a row of preferences `messages` is the prompt and `chosen` and
    `rejected` are lists of the messages that answer it. `weight` (default 1) is how often a row is drawn in an epoch,
    on average. `out` is an empty folder that becomes a Hugging Face model folder; `resume` is kept apart from it.
    """

    start: Path | Scratch
    train: Rows
    validation: Rows
    out: Path
    resume: Path
    seed: int
    say: Callable[[str], None]
    progress: Callable[[int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Computed:
    """A setting that was not given: its value, and what it follows from."""

    value: float
    why: str


@dataclass(frozen=True)
class Trained:
    """What a training did: its length, its curve (one entry a measurement) and the settings it computed."""

    steps: int
    epochs: float
    curve: list[dict[str, float]]
    chosen: dict[str, object]
    parameters: int
