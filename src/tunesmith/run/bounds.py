"""The bounds of a recipe put to a dataset: a layer of verdicts, with quantiles as the numbers they were pinned to."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from tunesmith.core.artifact import read_manifest, write_json
from tunesmith.core.bound import SIGNS, Bound
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import key_of
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import ROWS, Dataset, open_dataset
from tunesmith.data.verdicts import VERSION, Rule, decide, pin
from tunesmith.recipe import Step
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.describe import describe

PINS = "pins.json"
GIVEN_BY_PASSES = ("part", "copies", "weight", "text")  # columns of a record, which are no signals
Pins = dict[str, dict[str, float | str]]


def column_of(step: Step, name: str) -> str:
    """The column that a step's measurement is kept in: a record's own that a pass gives, or a signal."""
    if step.kind == "pass" and name in GIVEN_BY_PASSES:
        return name
    return f"{SIGNAL}{step.label}.{name}" if name else f"{SIGNAL}{step.label}"


def rules_of(steps: Sequence[Step]) -> list[Rule]:
    """The bounds of these steps as rules on columns."""
    keep = [Rule(step.label, column_of(step, name), bound) for step in steps for name, bound in step.keep.items()]
    weigh = [
        Rule(step.label, column_of(step, name), bound, weight)
        for step in steps
        for name, (bound, weight) in step.weigh.items()
    ]
    return keep + weigh


def decided(context: Context, name: str, steps: Sequence[Step], dataset: Dataset) -> Dataset:
    """The dataset with a layer of verdicts by these steps' bounds; as it is, if they have none."""
    rules = rules_of(steps)
    if not rules:
        return dataset
    _check_columns(steps, rules, dataset)
    rules = list(_pinned(context, name, steps, rules, dataset))
    given = [
        {**rule.bound.as_json(), "column": rule.column, "step": rule.step, "weight": rule.weight} for rule in rules
    ]
    plan = Plan(
        "dataset",
        name,
        "verdicts",
        VERSION,
        {"bounds": given, "mark": context.mark},
        {ROWS: ref_of(dataset.folder)},
    )

    def work(out: Path) -> Made:
        dropped, columns = decide(dataset, rules, out, executor=context.executor, mark=context.mark)
        return Made({"marked" if context.mark else "dropped": dropped}, {}, {"columns": columns})

    return open_dataset(make(context, plan, work))


def _check_columns(steps: Sequence[Step], rules: Sequence[Rule], dataset: Dataset) -> None:
    known = {name for layer in dataset.layers for name in read_manifest(layer).facts["columns"]}  # type: ignore[attr-defined]  # a list of names
    where = {step.label: step.where for step in steps}
    for rule in rules:
        is_review = rule.bound == Bound(deny=("drop",), missing="keep")
        if rule.column not in known and not is_review and read_manifest(dataset.layers[0]).counts["kept"]:
            measured = sorted(name.removeprefix(SIGNAL) for name in known if name.startswith(SIGNAL))
            raise UserError(
                f"{where[rule.step]}: a bound is set on {rule.column.removeprefix(SIGNAL)!r}, which nothing measures.",
                f"Measured here: {', '.join(measured) or 'nothing'}.",
            )
        numbers = [name for name in SIGNS if getattr(rule.bound, name) is not None]
        if numbers and rule.column in known and _is_text(dataset, rule.column):
            raise UserError(
                f"{where[rule.step]}: {numbers[0]} is set on {rule.column.removeprefix(SIGNAL)!r}, which is text.",
                "Use allow: or deny: for text.",
            )


def _is_text(dataset: Dataset, column: str) -> bool:
    return dataset.shards > 0 and pa.types.is_string(dataset.read(0, [column], kept=False)[column].type)


def _pinned(
    context: Context, name: str, steps: Sequence[Step], rules: Sequence[Rule], dataset: Dataset
) -> Sequence[Rule]:
    """Quantiles as numbers: pinned when first measured, so that new data meets the old bound until --remeasure."""
    if not any(rule.bound.quantiles for rule in rules):
        return rules
    pins = read_pins(context)
    places = {rule.column: _place_of(context, name, steps, rule) for rule in rules}
    known = {column: _numbers(pins, place, context) for column, place in places.items()}
    pinned = pin(dataset, rules, known)
    for old, new in zip(rules, pinned, strict=True):
        for side in SIGNS:
            limit, number = getattr(old.bound, side), getattr(new.bound, side)
            if isinstance(limit, str) and math.isfinite(number):  # of no rows there is no quantile
                pins.setdefault(places[old.column], {})[limit] = number
    write_pins(context, pins)
    return pinned


def _numbers(pins: Pins, place: str, context: Context) -> dict[str, float]:
    return {} if context.remeasure else {limit: float(number) for limit, number in pins.get(place, {}).items()}


def read_pins(context: Context) -> Pins:
    """What a run holds on to until --remeasure, by place: the numbers of quantiles, and fitted models."""
    path = context.folder / PINS
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def write_pins(context: Context, pins: Pins) -> None:
    """Keep what a run holds on to."""
    write_json(context.folder / PINS, pins)


def _place_of(context: Context, name: str, steps: Sequence[Step], rule: Rule) -> str:
    """Where a rule's quantiles are pinned: what is measured, in which list, and never a rehearsal's for a run's."""
    step = next(step for step in steps if step.label == rule.step)
    return f"{name} {rule.column} {key_of([describe(step), context.recipe.rows, context.mark])}"
