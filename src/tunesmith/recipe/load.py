"""The whole recipe, parsed and checked; all mistakes are collected and raised together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import Mistakes
from tunesmith.core.registry import near
from tunesmith.recipe.evaluation import parse_evaluation
from tunesmith.recipe.fields import Found, one_of, take
from tunesmith.recipe.grammar import Recipe, Serve
from tunesmith.recipe.lists import parse_lists
from tunesmith.recipe.order import check_order
from tunesmith.recipe.sets import apply_sets
from tunesmith.recipe.training import parse_training
from tunesmith.recipe.yaml import At, read_yaml

TOP = ("name", "goal", "base", "seed", "data", "train", "evaluate", "serve", "waive", "quarantine")
GOALS = ("style", "format", "task", "domain", "knowledge")
QUARANTINE = Bound(max=0.01)  # share of the records that may be unreadable


def load_recipe(
    path: Path, *, sets: Mapping[str, object] | None = None, rows: int | None = None, steps: int | None = None
) -> Recipe:
    """Read and check a recipe; raises `Mistakes` with every mistake in it, each with its line, a near name and a remedy."""
    root, text = read_yaml(path)
    changed = dict(sets or {})
    root = apply_sets(root, changed)
    found = Found(path.resolve().parent)
    recipe = _parse(root, found, text)
    if not found.errors:
        found.errors.extend(check_order(recipe))
    if found.errors:
        raise Mistakes(found.errors)
    rehearsal = {name: value for name, value in (("--rows", rows), ("--steps", steps)) if value is not None}
    return _with(recipe, changed={**changed, **rehearsal}, rows=rows, steps=steps)


def _with(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe(**{**vars(recipe), **changes})


def _parse(root: At, found: Found, text: str) -> Recipe:
    _check_keys(root, found)
    lists = parse_lists(take(root, "data"), found)
    base = found.text(take(root, "base"), default=None)
    train = parse_training(take(root, "train"), found, lists, base)
    return Recipe(
        name=found.text(take(root, "name"), default="run") or "run",
        goal=found.choice(take(root, "goal"), GOALS, default="task"),
        base=base,
        seed=found.whole(take(root, "seed"), default=0),
        data=lists,
        train=train,
        evaluate=parse_evaluation(take(root, "evaluate"), found, lists, train, base),
        serve=_serve(take(root, "serve"), found, [step.name for step in train]),
        waive=_waive(take(root, "waive"), found),
        quarantine=_quarantine(take(root, "quarantine"), found),
        folder=found.folder,
        text=text,
    )


def _check_keys(root: At, found: Found) -> None:
    for name, at in root.items():
        if name not in TOP:
            found.error(f"{at}: a recipe has no {name!r}.", near(name, list(TOP)))
    if not take(root, "data") and not take(root, "train"):
        found.error("the recipe names no data: and no train:, so there is nothing to do.", "Add a data: list.")


def _quarantine(at: At | None, found: Found) -> Bound:
    if at is None:
        return QUARANTINE
    return found.attempt(lambda: parse_bound(at.plain, str(at)), default=QUARANTINE)


def _serve(at: At | None, found: Found, models: list[str]) -> Serve | None:
    if at is None:
        return None
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: serve: is a mapping.", "For example serve: {store: true}.")
        return None
    one_of(at, tuple(Serve.__dataclass_fields__), found)
    model = found.text(take(at, "model"), default=None)
    if model is not None and model not in models:
        found.error(f"{at}.model: there is no train step {model!r}.", near(model, models))
    return Serve(
        model=model,
        store=found.flag(take(at, "store"), default=False),
        host=found.text(take(at, "host"), default="127.0.0.1") or "127.0.0.1",
        port=found.whole(take(at, "port"), default=8000),
        question=found.text(take(at, "question"), default=None),
    )


def _waive(at: At | None, found: Found) -> dict[str, str]:
    if at is None:
        return {}
    waived: dict[str, str] = {}
    for item in at.each() if isinstance(at.value, list) else []:
        entry = item.plain
        if isinstance(entry, dict) and set(entry) == {"check", "reason"} and all(map(bool, entry.values())):
            waived[str(entry["check"])] = str(entry["reason"])
        else:
            found.error(f"{item}: a waiver needs check: and reason:.", "Write - {check: ..., reason: ...}.")
    if not isinstance(at.value, list):
        found.error(f"{at}: waive: is a list.", "Write - {check: ..., reason: ...} below it.")
    return waived
