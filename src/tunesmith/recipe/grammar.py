"""What a recipe says, as plain frozen data. Whoever needs logic builds the same `Recipe` in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tunesmith.core.bound import Bound
from tunesmith.core.record import Where
from tunesmith.core.registry import Named
from tunesmith.evaluate.asked import Asks, asks_of

StepKind = Literal["source", "signal", "edit", "pass", "make", "review"]
STEP_KINDS: tuple[StepKind, ...] = ("source", "signal", "edit", "pass", "make", "review")
TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")


@dataclass(frozen=True)
class Feed:
    """Rows of a list, or of one part of it: `tickets` or `tickets.train`."""

    name: str
    part: str | None = None

    def __str__(self) -> str:
        return f"{self.name}.{self.part}" if self.part else self.name


@dataclass(frozen=True)
class Step:
    """One line of a data list."""

    kind: StepKind
    function: Named
    label: str
    where: str  # "data.tickets[2] (line 14)"
    parameters: Mapping[str, object] = field(default_factory=dict)
    keep: Mapping[str, Bound] = field(
        default_factory=dict
    )  # measured column below the label ("" for the label) -> bound
    weigh: Mapping[str, tuple[Bound, float]] = field(default_factory=dict)
    on: Where | None = None
    domain: str | None = None
    license: str | None = None
    group: str | None = None  # the field of a source's rows that keeps them together
    sample: int | None = None  # of a review: how many rows people see
    facts: Mapping[str, str] = field(default_factory=dict)  # of a source: terms, date and selection, as the recipe says

    @property
    def is_fitted(self) -> bool:
        """Whether it learns from the rows before it measures them."""
        return self.kind == "signal" and hasattr(self.function.module(), "fit")


@dataclass(frozen=True)
class DataList:
    """A named list of data steps; it may begin with the rows of another list."""

    name: str
    steps: tuple[Step, ...]
    feed: Feed | None = None


@dataclass(frozen=True)
class AdapterChoice:
    """The kind of adapter that a step trains, and its options."""

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainStep:
    """One checkpoint: a trainer, what it starts from, and the list it learns from."""

    trainer: Named
    name: str
    data: str
    start: str  # the name of another train step, a model folder or Hub id, or scratch:SIZE
    where: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    tokenizer: Mapping[str, object] = field(default_factory=dict)
    init: Mapping[str, object] = field(default_factory=dict)
    adapter: AdapterChoice | None = None
    search: Mapping[str, tuple[object, ...]] = field(default_factory=dict)  # parameter -> values to try
    replay: str | None = None  # the list of general text that is learnt beside
    reward: tuple[RewardTerm, ...] = ()  # what answers are rewarded by

    @property
    def learns(self) -> str:
        """What the trainer takes its rows for: chats, pairs, texts or prompts."""
        return str(getattr(self.trainer.module(), "LEARNS", "chats"))

    @property
    def judges(self) -> bool:
        """Whether it makes a reward model, which judges answers and writes none."""
        return self.trainer.name == "reward"

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists whose rows it learns from."""
        return (self.data,) if self.replay is None else (self.data, self.replay)


@dataclass(frozen=True)
class RewardTerm:
    """One term of a reward: a metric, the reward model of a train step, or that of a folder; and its weight."""

    name: str
    weight: float = 1.0
    metric: Named | None = None  # None: `name` is a train step or a folder


@dataclass(frozen=True)
class Metric:
    """A metric with its parameters, under the name its numbers go by."""

    function: Named
    label: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    target: Named | None = None  # rewrites the reference before scoring


@dataclass(frozen=True)
class Arm:
    """Something to compare a candidate with: a train step, the base, a registered arm or a function."""

    kind: Literal["train", "base", "untrained", "registered", "function"]
    label: str
    function: Named | None = None
    rows: Feed | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What is scored, against what, and the gate."""

    on: Feed
    metrics: tuple[Metric, ...]
    candidates: tuple[str, ...]
    against: tuple[Arm, ...] = ()
    gate: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    cluster: str | None = None
    sample: int | None = None
    slices: Mapping[str, Mapping[str, Bound]] = field(default_factory=dict)

    @property
    def asks(self) -> Asks:
        """What its metrics, all alike, ask models for."""
        return asks_of(self.metrics[0].function) if self.metrics else "answers"


@dataclass(frozen=True)
class Serve:
    """What is served, and whether requests and answers are stored."""

    model: str | None = None
    store: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    question: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A whole life: data, training, evaluation, gate, serving."""

    name: str
    goal: str
    base: str | None
    seed: int
    data: Mapping[str, DataList]
    train: tuple[TrainStep, ...]
    evaluate: Evaluation | None
    serve: Serve | None
    waive: Mapping[str, str]
    quarantine: Bound
    folder: Path
    text: str
    changed: Mapping[str, object] = field(default_factory=dict)  # what --set, --rows and --steps changed
    rows: int | None = None  # a rehearsal reads so many rows of each source
    steps: int | None = None  # and takes so many training steps
    track: tuple[str, ...] = ()  # the TRACKERS that follow the trainings
