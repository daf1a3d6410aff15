"""The evaluate section: metrics, candidates, arms and the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named, names, near
from tunesmith.evaluate.check_gate import check_gate
from tunesmith.recipe.fields import Found, one_of, take
from tunesmith.recipe.grammar import Arm, DataList, Evaluation, Feed, Metric, TrainStep
from tunesmith.recipe.lists import parse_feed, parts_of
from tunesmith.recipe.parameters import check_parameters
from tunesmith.recipe.yaml import At

KEYS = ("on", "metrics", "candidates", "against", "gate", "cluster", "sample", "slices")
GIVEN_TO_ARMS = frozenset({"base", "rows", "name"})  # by the engine, not by the recipe


def parse_evaluation(
    at: At | None, found: Found, lists: Mapping[str, DataList], train: tuple[TrainStep, ...], base: str | None
) -> Evaluation | None:
    """What is scored and against what; None if the recipe does not evaluate."""
    if at is None:
        return None
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: evaluate: is a mapping.", "It takes on:, metrics:, against: and gate:.")
        return None
    one_of(at, KEYS, found)
    trained = [step.name for step in train]
    metrics = tuple(metric for item in _items(at, "metrics", found) if (metric := _metric(item, found)))
    arms = tuple(arm for item in _items(at, "against", found) if (arm := _arm(item, found, lists, trained, base)))
    gate = _gate(take(at, "gate"), found, metrics, arms)
    on = found.text(take(at, "on"), default=None)
    feed = parse_feed(on or (f"{next(iter(lists))}.test" if len(lists) == 1 else ""))
    _check_on(at, feed, lists, found)
    return Evaluation(
        on=feed,
        metrics=metrics,
        candidates=_candidates(at, found, trained),
        against=arms,
        gate=gate,
        cluster=found.text(take(at, "cluster"), default=None),
        sample=found.whole(sample, default=1000) if (sample := take(at, "sample")) else None,
        slices=_slices(take(at, "slices"), found),
    )


def _items(at: At, name: str, found: Found) -> list[At]:
    items = take(at, name)
    if items is None:
        return []
    if not isinstance(items.value, list):
        found.error(f"{items}: {name}: is a list.", f"Write {name}: [...].")
        return []
    return items.each()


def _check_on(at: At, feed: Feed, lists: Mapping[str, DataList], found: Found) -> None:
    if feed.name not in lists:
        found.error(f"{at}.on: there is no list {feed.name!r}.", near(feed.name, list(lists)))
    elif feed.part and feed.part not in parts_of(lists, feed.name):
        found.error(f"{at}.on: {feed.name!r} has no part {feed.part!r}.", near(feed.part, parts_of(lists, feed.name)))
    elif feed.part == "train":
        found.error(f"{at}.on: it is scored on rows that it learns from.", "Name a part that no step trains on.")


def _named_entry(item: At) -> tuple[str, dict[str, At]]:
    """A name, or {NAME: {param: value}}."""
    if isinstance(item.value, Mapping) and len(item.value) == 1:
        name, inner = next(iter(item.items()))
        return name, dict(inner.items()) if isinstance(inner.value, Mapping) else {}
    return str(item.value), {}


def _metric(item: At, found: Found) -> Metric | None:
    name, own = _named_entry(item)
    label = own.pop("as", None)
    target = own.pop("target", None)
    if name.startswith("signal."):
        named = Named("signal", name.removeprefix("signal."), str(found.folder))
    else:
        named = Named("metric", name, str(found.folder))
    try:
        named.load()
        values, mistakes = check_parameters(named, own, item)
    except UserError as error:
        found.error(f"{item}: {error.problem}", error.hint)
        return None
    found.errors.extend(mistakes)
    fallback = name if name.startswith("signal.") else named.label
    rewrite = Named("function", str(target.value), str(found.folder)) if target else None
    if rewrite:
        found.attempt(rewrite.module, default=None)
    return Metric(named, str(label.value) if label else fallback, values, rewrite)


def _arm(item: At, found: Found, lists: Mapping[str, DataList], trained: list[str], base: str | None) -> Arm | None:
    name, own = _named_entry(item)
    label = str(own.pop("as").value) if "as" in own else Named("arm", name).label
    rows = parse_feed(str(own.pop("rows").value)) if "rows" in own else None
    if rows and (rows.name not in lists or (rows.part and rows.part not in parts_of(lists, rows.name))):
        found.error(f"{item}: there are no rows {rows}.", near(rows.name, list(lists)))
    if name in trained:
        return Arm("train", label)
    if name in ("base", "untrained"):
        if name == "base" and (base is None or base.startswith("scratch:")):
            found.error(
                f"{item}: there is no base to compare with.", "A model from scratch has untrained: as its base."
            )
        return Arm("base" if name == "base" else "untrained", label)
    if ":" not in name and name not in names("arm"):
        known = [*trained, "base", "untrained", *names("arm")]
        found.error(f"{item}: there is no arm {name!r}.", near(name, known))
        return None
    return _function_arm(item, name, label, rows, own, found)


def _function_arm(item: At, name: str, label: str, rows: Feed | None, own: dict[str, At], found: Found) -> Arm | None:
    named = Named("arm", name, str(found.folder))
    try:
        values, mistakes = check_parameters(named, own, item, engine=GIVEN_TO_ARMS)
    except UserError as error:
        found.error(f"{item}: {error.problem}", error.hint)
        return None
    found.errors.extend(mistakes)
    return Arm("function" if ":" in name else "registered", label, named, rows, values)


def _candidates(at: At, found: Found, trained: list[str]) -> tuple[str, ...]:
    given = [str(item.value) for item in _items(at, "candidates", found)]
    for name in given:
        if name not in trained:
            found.error(f"{at}.candidates: there is no train step {name!r}.", near(name, trained))
    if not given and not trained:
        found.error(f"{at}: there is nothing to evaluate.", "Add a train: step.")
    return tuple(given) or tuple(trained[-1:])


def _gate(
    at: At | None, found: Found, metrics: tuple[Metric, ...], arms: tuple[Arm, ...]
) -> dict[str, Mapping[str, object]]:
    if at is None or not isinstance(at.value, Mapping):
        return {}
    gate = cast(dict[str, Mapping[str, object]], at.plain)
    labels, names = [metric.label for metric in metrics], [arm.label for arm in arms]
    found.errors.extend(UserError(f"{at}: {error.problem}", error.hint) for error in check_gate(gate, labels, names))
    return gate


def _slices(at: At | None, found: Found) -> dict[str, dict[str, Bound]]:
    if at is None or not isinstance(at.value, Mapping):
        return {}
    return {
        name: {
            column: found.attempt(lambda bound=bound: parse_bound(bound.plain, str(bound)), default=Bound())  # type: ignore[misc]  # bound at once
            for column, bound in item.items()
        }
        for name, item in at.items()
    }
