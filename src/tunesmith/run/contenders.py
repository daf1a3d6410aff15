"""Who answers the test rows: the candidates, and the arms they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named
from tunesmith.data.dataset import Dataset
from tunesmith.models.base import Judge, Model
from tunesmith.recipe import Evaluation
from tunesmith.recipe.grammar import Arm, Feed
from tunesmith.run.bases import find_base
from tunesmith.run.context import Context, Plan, ref_of
from tunesmith.run.training import run_training

Row = dict[str, object]
COLUMNS = ("id", "messages", "target", "group", "meta", "domain", "part")


@dataclass(frozen=True)
class Contender:
    """A candidate or an arm: what it answers or judges with, loaded only if what it gives is not yet there."""

    name: str
    key: str
    load: Callable[[], object]


def contenders(
    context: Context, evaluation: Evaluation, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path]
) -> list[Contender]:
    """The candidates of an evaluation, then the arms that they are compared with."""
    judges = evaluation.asks == "rewards"
    candidates = [_local(name, checkpoints[name], judges=judges) for name in evaluation.candidates]
    arms = [
        _arm(context, arm, lists, checkpoints, judges=judges)
        for arm in evaluation.against
        if arm.label not in evaluation.candidates
    ]
    return candidates + arms


def _local(name: str, folder: Path, *, judges: bool = False) -> Contender:
    return Contender(name, ref_of(folder), lambda: _load_judge(folder) if judges else _load(folder, name))


def _load(folder: Path, name: str) -> Model:
    try:
        from tunesmith.models.local import LocalModel
    except ImportError:
        raise UserError("a local model needs torch and transformers.", "pip install 'tunesmith[train]'") from None
    return LocalModel(folder, name=name)


def _load_judge(folder: Path) -> Judge:
    from tunesmith.models.reward_model import RewardModel

    return RewardModel(folder)


def _arm(
    context: Context, arm: Arm, lists: Mapping[str, Dataset], checkpoints: Mapping[str, Path], *, judges: bool
) -> Contender:
    if arm.kind == "train":
        return _local(arm.label, checkpoints[arm.label], judges=judges)
    if arm.kind == "base":
        base = find_base(context, str(context.recipe.base), "base")
        return Contender(arm.label, base.key, lambda: _load(base.folder, arm.label))
    if arm.kind == "untrained":
        first = context.recipe.train[0]
        with context.timed("untrained"):
            folder = run_training(context, first, lists, {}, untrained=True)
        return _local(arm.label, folder)
    assert arm.function is not None
    feed = arm.rows or _training_feed(context)
    key = Plan(
        "report",
        arm.label,
        "arm",
        getattr(arm.function.module(), "VERSION", 1),
        {
            "name": arm.function.name,
            "code": arm.function.fingerprint(),
            "parameters": arm.parameters,
            "rows": str(feed),
        },
        {"rows": ref_of(lists[feed.name].folder)} if feed else {},
    ).ref
    return Contender(arm.label, key, lambda: _function_model(arm, arm.function, feed, lists))


def _training_feed(context: Context) -> Feed | None:
    """The rows an arm learns from when the recipe names none: those of the first train step."""
    return Feed(context.recipe.train[0].data, "train") if context.recipe.train else None


def _function_model(arm: Arm, function: Named | None, feed: Feed | None, lists: Mapping[str, Dataset]) -> object:
    from tunesmith.models.function import as_model

    assert function is not None
    rows = _rows(lists[feed.name], feed.part) if feed else []
    if arm.kind == "registered":
        return function.load()(base=None, rows=rows, name=arm.label, **arm.parameters)
    return as_model(function.load(), name=arm.label, rows=rows, parameters=arm.parameters)


def _rows(dataset: Dataset, part: str | None) -> list[Row]:
    columns = [name for name in COLUMNS if name in dataset.columns]
    return [row for table in dataset.tables(columns, part=part) for row in table.to_pylist()]
