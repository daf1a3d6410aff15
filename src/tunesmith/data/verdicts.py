"""Bounds put to measured values: the step that decides, and writes nothing but its verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.bound import SIGNS, Bound, Value
from tunesmith.core.executor import Executor
from tunesmith.data.arrays import arrow
from tunesmith.data.dataset import Dataset, shard_path, write_shard

VERSION = 1


@dataclass(frozen=True)
class Rule:
    """One bound on one column. With a `weight` it weighs the rows it names; without, it says which rows stay."""

    step: str
    column: str
    bound: Bound
    weight: float | None = None

    @property
    def measured(self) -> str:
        """What the bound is on, after the step's name: "" for the step itself, else the key it measured."""
        return self.column.removeprefix("signal.").removeprefix(self.step).removeprefix(".")

    def reason(self, value: Value) -> str:
        """The reason that a row with this value is counted under, without the value: "words: < min 20"."""
        return f"{self.step}: {self.measured} {self.bound.broken(value)}".replace(":  ", ": ")


@dataclass(frozen=True)
class _Task:
    dataset: Dataset
    rules: tuple[Rule, ...]
    mark: bool
    out: Path


def decide(
    dataset: Dataset, rules: Sequence[Rule], out: Path, *, executor: Executor, mark: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Write a layer of verdicts over a dataset; gives rows dropped by reason, and the layer's columns.

    With `mark`, every row stays and only the reasons are written down.
    """
    task = _Task(dataset, tuple(rules), mark, out)
    counts: Counter[str] = Counter()
    for dropped in executor.map(_Shard(task), range(dataset.shards), lane="threads"):
        counts.update(dropped)
    weighs = any(rule.weight is not None for rule in rules)
    columns = ["kept", "step", "why", *(["weight"] if weighs else [])]
    order = {rule.step: number for number, rule in enumerate(rules)}
    return dict(sorted(counts.items(), key=lambda item: (order[item[0].partition(":")[0]], item[0]))), columns


@dataclass(frozen=True)
class _Shard:
    task: _Task

    def __call__(self, shard: int) -> dict[str, int]:
        task = self.task
        columns = dict.fromkeys([*(rule.column for rule in task.rules), "kept", "step", "why", "weight"])
        table = task.dataset.read(shard, list(columns), kept=False)
        verdict = _judge(table, task.rules, mark=task.mark)
        write_shard(shard_path(task.out, shard), verdict.table)
        return verdict.dropped


@dataclass(frozen=True)
class _Verdict:
    table: pa.Table
    dropped: dict[str, int]


def _judge(table: pa.Table, rules: Sequence[Rule], *, mark: bool) -> _Verdict:
    kept = pc.fill_null(table["kept"], True).to_numpy()
    step, why = (_objects(table[name]) for name in ("step", "why"))
    weight = pc.fill_null(table["weight"], 1.0).to_numpy()
    undecided = table["why"].is_null().to_numpy()
    dropped: Counter[str] = Counter()
    for rule in rules:
        fails = failing(table[rule.column], rule.bound)
        if rule.weight is not None:
            weight = np.where(fails, weight, rule.weight)
            continue
        hit = kept & fails & undecided
        undecided = undecided & ~hit
        name = rule.column.removeprefix("signal.")
        refused = table[rule.column].take(arrow(np.flatnonzero(hit))).to_pylist()
        step[hit] = rule.step
        why[hit] = [f"{name} {rule.bound.fault(value)}" for value in refused]
        dropped.update(rule.reason(value) for value in refused)
        kept = kept if mark else kept & ~hit
    columns = {"kept": arrow(kept), "step": pa.array(step, pa.string()), "why": pa.array(why, pa.string())}
    if any(rule.weight is not None for rule in rules):
        columns["weight"] = arrow(weight)
    return _Verdict(pa.table(columns), dict(dropped))


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """A column of text as Python objects that can be set one by one."""
    found = np.full(len(column), None, object)
    if column.null_count < len(column):
        found[:] = column.to_pylist()
    return found


def failing(values: pa.ChunkedArray, bound: Bound) -> np.ndarray:
    """A mask of the values that a bound refuses."""
    if values.type in (pa.string(), pa.null(), pa.bool_()) or bound.allow is not None or bound.deny is not None:
        return np.array([bound.fault(value) is not None for value in values.to_pylist()], dtype=bool)
    numbers = values.to_numpy().astype(float)
    missing = np.isnan(numbers)
    fails = missing & (bound.missing == "drop")
    tests = {"min": np.less, "max": np.greater, "above": np.less_equal, "below": np.greater_equal}
    for name in SIGNS:
        limit = getattr(bound, name)
        if limit is not None:
            fails |= ~missing & tests[name](numbers, float(limit))
    return np.asarray(fails)


def quantiles(dataset: Dataset, column: str, wanted: Sequence[str]) -> dict[str, float]:
    """The quantiles ("p90") of a column over the kept rows."""
    parts = [table[column].drop_null().to_numpy().astype(float) for table in dataset.tables([column])]
    values = np.concatenate(parts) if parts else np.array([])
    if not len(values):
        return dict.fromkeys(wanted, float("nan"))
    return {name: float(np.percentile(values, float(name[1:]))) for name in wanted}


def pin(dataset: Dataset, rules: Sequence[Rule], pins: Mapping[str, Mapping[str, float]]) -> tuple[Rule, ...]:
    """The rules with each quantile as a number: the pinned one, or else the one measured on this dataset."""
    return tuple(_pin_one(dataset, rule, pins.get(rule.column, {})) for rule in rules)


def _pin_one(dataset: Dataset, rule: Rule, known: Mapping[str, float]) -> Rule:
    new = [name for name in rule.bound.quantiles if name not in known]
    measured = quantiles(dataset, rule.column, new) if new else {}
    return replace(rule, bound=rule.bound.pinned({**known, **measured}))
