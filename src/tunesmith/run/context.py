"""What every step of a run is given, and how an artifact comes to be: once, under its KEY."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tunesmith.core.artifact import Manifest, finish, is_done
from tunesmith.core.executor import Executor
from tunesmith.core.hashing import key_of
from tunesmith.recipe import Recipe
from tunesmith.run.ranks import Ranks

FOLDERS = {
    "dataset": "datasets",
    "checkpoint": "checkpoints",
    "review": "reviews",
    "report": "reports",
    "model": "models",
    "frozen": "frozen",
}


class Show(Protocol):
    """How a run speaks: sentences, and progress of the step at hand."""

    def say(self, sentence: str) -> None:
        """Tell the user one thing."""

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Tell how far a step is."""


@dataclass(frozen=True)
class Context:
    """One run of a recipe in a workspace."""

    recipe: Recipe
    workspace: Path
    executor: Executor
    show: Show
    mark: bool = False
    remeasure: bool = False
    ranks: Ranks = field(default_factory=Ranks)  # the processes of a training
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # warnings for the report
    preflights: dict[str, dict[str, object]] = field(default_factory=dict)  # train step -> what its pre-flight found

    @property
    def folder(self) -> Path:
        """Where the run itself is kept."""
        return self.workspace / "runs" / self.recipe.name

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time a block takes to a step's seconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(self.seconds.get(step, 0.0) + time.perf_counter() - start, 3)


@dataclass(frozen=True)
class Plan:
    """An artifact to be: what its KEY is made of."""

    kind: str
    name: str
    step: str
    version: int
    parameters: Mapping[str, object]
    inputs: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    @property
    def key(self) -> str:
        """The KEY: the same step with the same inputs, parameters and seed has the same one."""
        fields = (self.step, self.version, self.parameters, self.inputs, self.seed)
        return key_of(dict(zip(("step", "version", "parameters", "inputs", "seed"), fields, strict=True)))

    def folder(self, workspace: Path) -> Path:
        """Where the artifact lies, or will."""
        return workspace / FOLDERS[self.kind] / self.name / self.key

    @property
    def ref(self) -> str:
        """The artifact as others name it in their inputs: NAME/KEY."""
        return f"{self.name}/{self.key}"


@dataclass(frozen=True)
class Made:
    """What a step has to tell once its files are written."""

    counts: Mapping[str, object] = field(default_factory=dict)
    licenses: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


def make(context: Context, plan: Plan, work: Callable[[Path], Made], *, scratch: bool = False) -> Path:
    """The folder of an artifact, made now unless it exists. With `scratch`, a half-made one is begun anew."""
    folder = plan.folder(context.workspace)
    if is_done(folder):
        return folder
    if scratch and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _clear_unfinished(folder)
    made = work(folder)
    fields = {name: getattr(plan, name) for name in ("kind", "name", "key", "step", "version", "parameters")}
    manifest = Manifest(**fields, inputs=plan.inputs, seed=plan.seed, **vars(made))
    finish(folder, manifest)
    return folder


def _clear_unfinished(folder: Path) -> None:
    for unfinished in sorted(folder.rglob("*.tmp")):
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        else:
            unfinished.unlink(missing_ok=True)


def ref_of(folder: Path) -> str:
    """An artifact as others name it: NAME/KEY."""
    return f"{folder.parent.name}/{folder.name}"
