"""From a recipe to its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from tunesmith.core.artifact import replacing, write_json
from tunesmith.core.executor import LocalExecutor, usable_cores
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import funnel
from tunesmith.recipe import Recipe
from tunesmith.recipe.order import in_order, needs
from tunesmith.run.bases import fetch_bases
from tunesmith.run.context import Context, Show
from tunesmith.run.disk import disk_errors
from tunesmith.run.evaluation import Evaluated, run_evaluation
from tunesmith.run.hold import check_whole
from tunesmith.run.lists import run_list
from tunesmith.run.lock import locked
from tunesmith.run.model_card import write_model_cards
from tunesmith.run.preflight import preflight
from tunesmith.run.ranks import Ranks, dismiss
from tunesmith.run.report import make_report
from tunesmith.run.search import Trial, as_json, train_step
from tunesmith.run.trackers import check_trackers
from tunesmith.run.training import check_installed


@dataclass(frozen=True)
class Outcome:
    """What a run came to: its report, and the checkpoint that may be served, if the gate passed one."""

    report: Mapping[str, object]
    folder: Path
    serving: tuple[str, Path] | None  # name and checkpoint
    lists: Mapping[str, Dataset]


def run_recipe(
    recipe: Recipe,
    workspace: Path,
    show: Show,
    *,
    workers: int | None = None,
    mark: bool = False,
    remeasure: bool = False,
    ranks: Ranks | None = None,
) -> Outcome:
    """Run a recipe in a workspace; raises UserError for what a user can mend and Waiting for a review round."""
    ranks = ranks or Ranks()
    executor = LocalExecutor(workers or usable_cores())
    context = Context(recipe, workspace.resolve(), executor, show, mark=mark, remeasure=remeasure, ranks=ranks)
    with closing(executor), disk_errors(context.workspace), locked(context.workspace):
        check_whole(context.workspace)
        outcome = _run(context)
        dismiss(ranks)
        return outcome


def _run(context: Context) -> Outcome:
    recipe = context.recipe
    check_installed(recipe)
    check_trackers(recipe.track)
    fetch_bases(context)
    lists: dict[str, Dataset] = {}
    checkpoints: dict[str, Path] = {}
    searches: dict[str, list[Trial]] = {}
    _save_recipe(context)
    for name in in_order(needs(recipe)):
        room, _, step = name.partition(".")
        if room == "train":
            preflight(context, step, lists, checkpoints)
        with context.timed(step):
            if room == "data":
                lists[step] = run_list(context, recipe.data[step], lists)
                _tell(context, step, lists[step])
            else:
                context.executor.close()  # a trainer needs the memory of the worker processes
                train = next(one for one in recipe.train if one.name == step)
                checkpoints[step], searches[step] = train_step(context, train, lists, checkpoints)
    evaluated = run_evaluation(context, recipe.evaluate, lists, checkpoints) if recipe.evaluate else None
    serving = _serving(recipe, evaluated, checkpoints)
    with context.timed("report"):
        report = make_report(context, lists, checkpoints, evaluated, serving[0] if serving else None)
        report["searches"] = {name: [as_json(one) for one in trials] for name, trials in searches.items() if trials}
    write_model_cards(context, report, checkpoints)
    write_run(context, report)
    return Outcome(report, context.folder, serving, lists)


def _tell(context: Context, name: str, dataset: Dataset) -> None:
    counts = funnel(dataset)
    gone = sum(counts.dropped.values())
    made = f", {counts.made:,} made" if counts.made else ""
    context.show.say(
        f"{name}: {counts.read:,} in{made}, {counts.kept:,} kept, {gone:,} dropped, {counts.quarantined:,} quarantined"
    )


def _serving(recipe: Recipe, evaluated: Evaluated | None, checkpoints: Mapping[str, Path]) -> tuple[str, Path] | None:
    """The model to serve: the one the recipe names, or the first candidate; only if its gate passed."""
    if recipe.serve is None or evaluated is None:
        return None
    names = [recipe.serve.model] if recipe.serve.model else list(evaluated.verdicts)
    for name in names:
        verdict = evaluated.verdicts.get(name)
        if verdict is not None and verdict.state == "passed":
            return name, checkpoints[name]
    return None


def _save_recipe(context: Context) -> None:
    with replacing(context.folder / "recipe.yaml") as temporary:
        temporary.write_text(context.recipe.text, "utf-8")


def write_run(context: Context, report: Mapping[str, object]) -> None:
    """Write what the run was and what it came to."""
    from tunesmith.run.machine import describe_machine

    changed = {"changed": dict(context.recipe.changed), "mark": context.mark, "remeasure": context.remeasure}
    serve = asdict(context.recipe.serve) if context.recipe.serve else None
    run = {"run": context.recipe.name, "seconds": context.seconds, **changed, "serve": serve}
    run |= {"machine": describe_machine()}
    write_json(context.folder / "run.json", run)
    write_json(context.folder / "report.json", report)
