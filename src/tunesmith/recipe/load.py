"""The whole recipe, parsed and checked; all mistakes are collected and raised together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import Mistakes, UserError
from tunesmith.core.registry import near
from tunesmith.evaluate.checklist import check_waive
from tunesmith.recipe.evaluation import parse_evaluation
from tunesmith.recipe.fields import Found, one_of, take
from tunesmith.recipe.grammar import TRACKERS, Evaluation, Recipe, Serve
from tunesmith.recipe.lists import parse_lists
from tunesmith.recipe.order import check_order
from tunesmith.recipe.sets import apply_sets
from tunesmith.recipe.training import parse_training
from tunesmith.recipe.yaml import At, read_yaml
from tunesmith.train.preflight_rules import rule_names

TOP = ("name", "goal", "base", "seed", "data", "train", "evaluate", "serve", "waive", "quarantine", "track")
GOALS = ("style", "format", "task", "domain", "knowledge")
QUARANTINE = Bound(max=0.01)  # share of the records that may be unreadable


def load_recipe(
    path: Path, *, sets: Mapping[str, object] | None = None, rows: int | None = None, steps: int | None = None
) -> Recipe:
    """Read and check a recipe; raises `Mistakes` with all that is wrong in it, each with its line and a hint."""
    root, text = read_yaml(path)
    changed = dict(sets or {})
    root = apply_sets(root, changed)
    found = Found(path.resolve().parent)
    recipe = _parse(root, found, text)
    if not found.errors:
        found.errors.extend(check_order(recipe))
    if found.errors:
        raise Mistakes(found.errors, where=path.name)
    rehearsal = {name: value for name, value in (("--rows", rows), ("--steps", steps)) if value is not None}
    return _with(recipe, changed={**changed, **rehearsal}, rows=rows, steps=steps)


def _with(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe(**{**vars(recipe), **changes})


def _parse(root: At, found: Found, text: str) -> Recipe:
    _check_keys(root, found)
    name = found.name(take(root, "name"), default="run")
    goal = found.choice(take(root, "goal"), GOALS, default="task")
    seed = found.whole(take(root, "seed"), default=0)
    lists = parse_lists(take(root, "data"), found)
    base = found.text(take(root, "base"), default=None)
    train = parse_training(take(root, "train"), found, lists, base)
    evaluate = parse_evaluation(take(root, "evaluate"), found, lists, train, base)
    return Recipe(
        name=name,
        goal=goal,
        base=base,
        seed=seed,
        data=lists,
        train=train,
        evaluate=evaluate,
        serve=_serve(take(root, "serve"), found, evaluate),
        waive=_waive(take(root, "waive"), found),
        quarantine=_quarantine(take(root, "quarantine"), found),
        folder=found.folder,
        text=text,
        track=_track(take(root, "track"), found),
    )


def _check_keys(root: At, found: Found) -> None:
    for name, at in root.items():
        if name not in TOP:
            found.error(f"{at}: a recipe has no {name!r}.", near(name, list(TOP)))
    if not take(root, "data") and not take(root, "train"):
        found.error("the recipe names no data: and no train:, so there is nothing to do.", "Add a data: list.")


def _track(at: At | None, found: Found) -> tuple[str, ...]:
    """`track: tensorboard`, or several in a list; each once."""
    if at is None:
        return ()
    given = list(at.each()) if isinstance(at.value, list) else [at]
    for one in given:
        if one.value not in TRACKERS:
            found.error(f"{one}: there is no tracker {one.plain!r}.", near(str(one.plain), list(TRACKERS)))
    return tuple(dict.fromkeys(str(one.value) for one in given if one.value in TRACKERS))


def _quarantine(at: At | None, found: Found) -> Bound:
    if at is None:
        return QUARANTINE
    return found.attempt(lambda: parse_bound(at.plain, str(at)), default=QUARANTINE)


def _serve(at: At | None, found: Found, evaluate: Evaluation | None) -> Serve | None:
    if at is None:
        return None
    models = list(evaluate.candidates if evaluate else ())
    if evaluate is not None and evaluate.asks == "rewards":
        found.error(f"{at}: the candidates are reward models, which write no answers.", "Leave serve: out.")
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: serve: is a mapping.", "For example serve: {store: true}.")
        return None
    one_of(at, tuple(Serve.__dataclass_fields__), found)
    model = found.text(take(at, "model"), default=None)
    if model is not None and model not in models:
        found.error(f"{take(at, 'model')}: there is no candidate {model!r}.", near(model, models))
    port = found.whole(take(at, "port"), default=8000)
    if not 0 <= port <= 65_535:
        found.error(f"{take(at, 'port')}: {port} is not a port.", "Ports go from 1 to 65535; 0 picks a free one.")
    return Serve(
        model=model,
        store=found.flag(take(at, "store"), default=False),
        host=found.text(take(at, "host"), default="127.0.0.1") or "127.0.0.1",
        port=port,
        question=found.text(take(at, "question"), default=None),
    )


def _waive(at: At | None, found: Found) -> dict[str, str]:
    if at is None:
        return {}
    if not isinstance(at.value, list):
        found.errors.extend(check_waive(at.plain, where=str(at), also=rule_names()))
        return {}
    waived: dict[str, str] = {}
    for item in at.each():
        mistakes = check_waive([item.plain], also=rule_names())
        found.errors.extend(UserError(f"{item}: {e.problem.partition(': ')[2]}", e.hint) for e in mistakes)
        if not mistakes:
            waived[str(item.child("check").value)] = str(item.child("reason").value)
    return waived
