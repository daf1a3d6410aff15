"""A small search for settings: every combination is trained, and validation rows decide; test rows are never seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import read_manifest, write_json
from tunesmith.core.errors import UserError
from tunesmith.data.dataset import Dataset
from tunesmith.recipe import TrainStep
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.training import run_training

VERSION = 1


@dataclass(frozen=True)
class Trial:
    """One combination of settings, and the lowest validation loss it reached."""

    settings: Mapping[str, object]
    validation_loss: float
    step: int  # of that measurement
    checkpoint: Path


def train_step(
    context: Context, step: TrainStep, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]
) -> tuple[Path, list[Trial]]:
    """The checkpoint of a train step; where it searches, that of the best trial, with all trials, best first."""
    if not step.search:
        return run_training(context, step, lists, checkpoints), []
    if not lists[step.data].count(part="validation"):
        raise UserError(
            f"{step.where}: a search needs validation rows to decide by, and {step.data} has none.",
            "Add validation: 0.1 to the parts of its split.",
        )
    trials = [_trial(context, step, settings, lists, checkpoints) for settings in combinations(step.search)]
    ranked = sorted(trials, key=lambda trial: trial.validation_loss)
    _keep(context, step, ranked)
    best = ranked[0]
    context.show.say(f"{step.name}: best of {len(trials)} is {_told(best)}")
    return best.checkpoint, ranked


def combinations(search: Mapping[str, tuple[object, ...]]) -> Iterator[dict[str, object]]:
    """Every combination of the values to try, in the recipe's order."""
    for values in product(*search.values()):
        yield dict(zip(search, values, strict=True))


def _trial(
    context: Context,
    step: TrainStep,
    settings: Mapping[str, object],
    lists: Mapping[str, Dataset],
    checkpoints: Mapping[str, Path],
) -> Trial:
    one = replace(step, parameters={**step.parameters, **settings}, search={})
    folder = run_training(context, one, lists, checkpoints)
    curve = cast("list[Mapping[str, float]]", read_manifest(folder).facts["curve"])
    best = min(curve, key=lambda entry: entry.get("validation_loss", math.inf))
    trial = Trial(settings, best["validation_loss"], int(best["step"]), folder)
    context.show.say(f"{step.name}: {_told(trial)}")
    return trial


def _told(trial: Trial) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in trial.settings.items())
    return f"{settings}: validation loss {trial.validation_loss:.4f} at step {trial.step:,}"


def _keep(context: Context, step: TrainStep, trials: list[Trial]) -> None:
    """What was tried, as an artifact: the choice is part of the evidence."""
    inputs = {f"trial{number}": ref_of(trial.checkpoint) for number, trial in enumerate(trials)}
    search = {name: list(values) for name, values in step.search.items()}
    plan = Plan("report", f"search-{step.name}", "search", VERSION, {"search": search}, inputs)

    def work(out: Path) -> Made:
        write_json(out / "trials.json", {"trials": [as_json(trial) for trial in trials]})
        return Made({"trials": len(trials)})

    make(context, plan, work)


def as_json(trial: Trial) -> dict[str, object]:
    """A trial as plain data."""
    return {
        "settings": dict(trial.settings),
        "validation_loss": trial.validation_loss,
        "step": trial.step,
        "checkpoint": ref_of(trial.checkpoint),
    }
