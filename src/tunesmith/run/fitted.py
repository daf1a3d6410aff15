"""Signals that learn from the corpus before they measure it: their model is an artifact, pinned until --remeasure."""

from __future__ import annotations

from pathlib import Path

from tunesmith.core.artifact import is_done
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import key_of
from tunesmith.data.ask import parameters_of
from tunesmith.data.dataset import ROWS, Dataset
from tunesmith.data.texts import NEEDED, texts_of
from tunesmith.recipe import Step
from tunesmith.run.bounds import read_pins, write_pins
from tunesmith.run.context import FOLDERS, Context, Made, Plan, make, ref_of
from tunesmith.run.describe import describe


def fitted(context: Context, name: str, step: Step, dataset: Dataset | None, part: str | None) -> Path:
    """The folder of what a signal learnt: from the rows kept so far, or when it was pinned."""
    if dataset is None:
        raise UserError(f"{step.where}: {step.label} learns from rows.", "Put it after the source.")
    pins = read_pins(context)
    place = f"{name} {step.label} model {key_of([describe(step), part, context.recipe.rows, context.mark])}"
    pinned = context.workspace / FOLDERS["model"] / str(pins.get(place, {}).get("model"))
    if place in pins and not context.remeasure and is_done(pinned):
        return pinned
    facts = {"step": describe(step), "part": part}
    plan = Plan("model", name, f"fit {step.function.name}", 1, facts, {ROWS: ref_of(dataset.folder)})

    def work(out: Path) -> Made:
        context.show.say(f"{name}: {step.label} learns from {dataset.count(part=part):,} rows")
        texts = (texts_of(table, step.on) for table in dataset.tables(NEEDED, part=part))
        step.function.module().fit(texts, out, **parameters_of(step.function, step.parameters))
        return Made({}, {}, {})

    with context.timed(f"{step.label}: learn"):
        folder = make(context, plan, work, scratch=True)
    write_pins(context, {**pins, place: {"model": ref_of(folder)}})
    return folder
