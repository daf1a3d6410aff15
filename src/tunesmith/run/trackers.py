"""Trainings followed elsewhere: TensorBoard, MLflow, Weights & Biases, Trackio, as the recipe's `track:` says.

All write into the run's folder and speak with no server unless the environment names one. What they are told changes no
result and no KEY. None of them reports on its own use: that is switched off before it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.recipe import TrainStep
from tunesmith.run.context import Context, Made
from tunesmith.run.tracker_kinds import KINDS, Numbers, Settings, Tracker

if TYPE_CHECKING:
    from tunesmith.train.job import Job

POINTS = 1000  # of a curve, at most, however many steps a training takes
KEY_LETTERS = 8  # of a checkpoint's KEY in the name of what is tracked


@dataclass
class Trackers:
    """Several at once. One that fails is told of and left out: no training ends for its tracker."""

    open: dict[str, Tracker]
    tell: Callable[[str], None]

    def log(self, step: int, numbers: Numbers) -> None:
        """Hand the numbers to each."""
        self._each(lambda tracker: tracker.log(step, numbers))

    def close(self) -> None:
        """Close each."""
        self._each(lambda tracker: tracker.close())

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.open.items()):
            try:
                act(tracker)
            except Exception as error:  # of its server, its disk or itself
                del self.open[name]
                self.tell(f"{name} no longer follows the training: {type(error).__name__}: {error}")


def check_trackers(names: Sequence[str]) -> None:
    """Raise UserError before any work where a tracker is not installed."""
    for name in names:
        needs: tuple[str, ...] = (name,)
        if name == "mlflow" and "MLFLOW_TRACKING_URI" not in os.environ:
            needs = ("mlflow", "sqlalchemy", "alembic")  # mlflow-skinny comes without those of its local store
        missing = [package for package in needs if find_spec(package) is None]
        if missing:
            raise UserError(f"track: {name} needs {' and '.join(missing)}, not installed here.", f"pip install {name}")


def open_trackers(
    names: Sequence[str], run_name: str, folder: Path, settings: Settings, tell: Callable[[str], None]
) -> Trackers:
    """Open a tracker of each name for one training; raises UserError for one that cannot be.

    `folder` is that of the run; `tell` hears of one that fails later.
    """
    plain = {name: value for name, value in settings.items() if value is not None}
    return Trackers({name: _opened(name, run_name, folder, plain) for name in names}, tell)


def _opened(name: str, run_name: str, folder: Path, settings: Settings) -> Tracker:
    try:
        return KINDS[name](run_name, folder, settings)
    except Exception as error:  # of its server, its disk or itself
        raise UserError(
            f"track: {name} cannot be opened: {type(error).__name__}: {error}",
            f"Mend that, or take {name} out of track: the checkpoint is the same without it.",
        ) from error


def tracked(context: Context, step: TrainStep, job: Job, settings: Settings, train: Callable[[Job], Made]) -> Made:
    """A training, followed by the recipe's trackers: the numbers of its steps as they come, then its curve."""
    if not context.recipe.track:
        return train(job)

    def tell(sentence: str) -> None:
        context.show.say(sentence)
        context.notes.append(f"{step.name}: {sentence}")

    key = job.resume.name
    known = {"trainer": step.trainer.name, "start": step.start, "data": step.data, "seed": job.seed, "key": key}
    name = f"{step.name}-{key[:KEY_LETTERS]}"
    with closing(open_trackers(context.recipe.track, name, context.folder, {**settings, **known}, tell)) as tracker:

        def progress(done: int, total: int, numbers: Numbers) -> None:
            job.progress(done, total, numbers)
            if done % max(1, total // POINTS) == 0 or done == total:
                tracker.log(done, {f"train/{number}": value for number, value in numbers.items()})

        made = train(replace(job, progress=progress))
        for entry in cast("list[dict[str, float]]", made.facts.get("curve", [])):
            numbers = {f"curve/{number}": value for number, value in entry.items() if number != "step"}
            tracker.log(int(entry["step"]), numbers)
    return made
