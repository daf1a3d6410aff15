"""Frozen test sets: artifacts of a workspace that a split writes once, and keeps to from then on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tunesmith.core.artifact import is_done
from tunesmith.core.errors import UserError
from tunesmith.data.ask import parameters_of
from tunesmith.data.dataset import Dataset
from tunesmith.data.stream import Stream
from tunesmith.recipe import Step
from tunesmith.run.context import FOLDERS, Context, Made, Plan, make, ref_of
from tunesmith.run.describe import describe

FROZEN = "frozen"  # the parameter of a pass that names its set, and the input that the set is


def frozen_set(context: Context, step: Step, dataset: Dataset) -> Path | None:
    """The folder of the frozen set that a pass names, written now if there is none; None if it names none.

    A rehearsal on a few rows, or one that only marks, freezes nothing: it gets a folder that holds no set.
    """
    name = step.parameters.get(FROZEN)
    if name is None:
        return None
    home = context.workspace / FOLDERS[FROZEN] / str(name)
    known = sorted(folder for folder in home.glob("*") if is_done(folder))
    if len(known) > 1:
        raise UserError(f"{home} holds {len(known)} frozen sets.", "Leave the one that counts, and move the others.")
    if known or context.recipe.rows is not None or context.mark:
        return known[0] if known else home
    return _freeze(context, step, dataset, str(name))


def _freeze(context: Context, step: Step, dataset: Dataset, name: str) -> Path:
    # The rows are no input of it: the set outlives the dataset that it was taken from.
    facts = {"step": describe(step), "rows": ref_of(dataset.folder)}
    plan = Plan(FROZEN, name, f"freeze {step.function.name}", 1, facts, {}, context.recipe.seed)

    def work(out: Path) -> Made:
        scratch = out / "scratch.tmp"
        scratch.mkdir()
        stream = Stream(dataset, context.executor, scratch, context.recipe.seed)
        count = step.function.module().freeze(stream, out, **parameters_of(step.function, step.parameters))
        shutil.rmtree(scratch)
        context.show.say(f"{name}: {count:,} rows are frozen; they keep their parts from now on")
        return Made({"kept": count})

    return make(context, plan, work, scratch=True)
