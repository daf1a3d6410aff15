"""The evaluate section: metrics, candidates, arms and the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named, names, near
from tunesmith.evaluate.asked import Asks, asks_of
from tunesmith.evaluate.check_gate import check_gate
from tunesmith.recipe.fields import Found, one_of, take
from tunesmith.recipe.grammar import Arm, DataList, Evaluation, Feed, Metric, TrainStep
from tunesmith.recipe.lists import parse_feed, parts_of
from tunesmith.recipe.parameters import check_parameters
from tunesmith.recipe.yaml import At

KEYS = ("on", "metrics", "candidates", "against", "gate", "cluster", "sample", "slices")
GIVEN_TO_ARMS = frozenset({"base", "rows", "name"})  # by the engine, not by the recipe
CLUSTERS = ["group", "domain", "source", "license"]  # what rows may share


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
    metrics = tuple(metric for item in _items(at, "metrics", found) if (metric := _metric(item, found)))
    asks = _asks(at, metrics, found)
    arms = tuple(arm for item in _items(at, "against", found) if (arm := _arm(item, found, lists, train, base, asks)))
    _check_once(at, "metrics", [metric.label for metric in metrics], found)
    _check_once(at, "against", [arm.label for arm in arms], found)
    if not metrics and not take(at, "metrics"):
        found.error(
            f"{at}: it names no metrics:, so nothing is measured.", "For example metrics: [exact_match, words]."
        )
    slices = _slices(take(at, "slices"), found)
    gate = _gate(take(at, "gate"), found, metrics, arms, slices)
    on = found.text(take(at, "on"), default=None)
    feed = parse_feed(on or (f"{next(iter(lists))}.test" if len(lists) == 1 else ""))
    _check_on(at, feed, lists, found)
    return Evaluation(
        on=feed,
        metrics=metrics,
        candidates=_candidates(at, found, train, asks),
        against=arms,
        gate=gate,
        cluster=_cluster(take(at, "cluster"), found),
        sample=found.whole(sample, default=1000) if (sample := take(at, "sample")) else None,
        slices=slices,
    )


def _items(at: At, name: str, found: Found) -> list[At]:
    items = take(at, name)
    if items is None:
        return []
    if not isinstance(items.value, list):
        found.error(f"{items}: {name}: is a list.", f"Write {name}: [...].")
        return []
    return items.each()


def _check_once(at: At, name: str, labels: list[str], found: Found) -> None:
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        hint = f"Name the second one with as:, for example {{{label}: {{as: {label}_2}}}}."
        found.error(f"{take(at, name)}: {label!r} is named twice.", hint)


def _cluster(at: At | None, found: Found) -> str | None:
    name = found.text(at, default=None)
    if name is not None and name not in CLUSTERS:
        found.error(f"{at}: rows are not clustered by {name!r}.", near(name, CLUSTERS))
    return name


def _check_on(at: At, feed: Feed, lists: Mapping[str, DataList], found: Found) -> None:
    if not feed.name:
        found.error(f"{at}: it does not say which rows are scored.", "Add on: LIST.PART, for example on: notes.test.")
    elif feed.name not in lists:
        found.error(f"{take(at, 'on')}: there is no list {feed.name!r}.", near(feed.name, list(lists)))
    elif feed.part and feed.part not in parts_of(lists, feed.name):
        known = parts_of(lists, feed.name)
        hint = near(feed.part, known) if known else "Split it first: - pass: split."
        found.error(f"{take(at, 'on') or at}: {feed.name!r} has no part {feed.part!r}.", hint)
    elif feed.part == "train":
        found.error(
            f"{take(at, 'on')}: it is scored on rows that it learns from.", "Name a part that no step trains on."
        )


def _named_entry(item: At, found: Found) -> tuple[str, dict[str, At]]:
    """A name, or {NAME: {param: value}}."""
    if isinstance(item.value, str):
        return str(item.value), {}
    if isinstance(item.value, Mapping) and len(item.value) == 1:
        name, inner = next(iter(item.items()))
        if isinstance(inner.value, Mapping):
            return name, dict(inner.items())
    found.error(
        f"{item}: {item.plain!r} is neither a name nor a name with parameters.", "Write {NAME: {PARAMETER: 1}}."
    )
    return "", {}


def _metric(item: At, found: Found) -> Metric | None:
    name, own = _named_entry(item, found)
    if not name:
        return None
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
    return Metric(named, found.name(label, default=fallback) if label else fallback, values, rewrite)


def _asks(at: At, metrics: tuple[Metric, ...], found: Found) -> Asks:
    """What all metrics ask models for: a model is asked once."""
    asked = {
        metric.label: "answers" if metric.function.kind == "signal" else asks_of(metric.function) for metric in metrics
    }
    if len(set(asked.values())) > 1:
        told = ", ".join(f"{label} for {what}" for label, what in asked.items())
        hint = "Measure answers, the likelihood of documents or the rewards of pairs in one recipe each."
        found.error(f"{take(at, 'metrics')}: the metrics ask for different things: {told}.", hint)
    return next(iter(asked.values()), "answers")


def _arm(
    item: At,
    found: Found,
    lists: Mapping[str, DataList],
    train: tuple[TrainStep, ...],
    base: str | None,
    asks: Asks,
) -> Arm | None:
    name, own = _named_entry(item, found)
    if not name:
        return None
    label = found.name(own.pop("as"), default=name) if "as" in own else Named("arm", name).label
    rows = parse_feed(str(own.pop("rows").value)) if "rows" in own else None
    if rows and (rows.name not in lists or (rows.part and rows.part not in parts_of(lists, rows.name))):
        found.error(f"{item}: there are no rows {rows}.", near(rows.name, list(lists)))
    trained = [step.name for step in train]
    if name in trained:
        _check_gives(item, train[trained.index(name)], asks, found)
        return Arm("train", label)
    if name in ("base", "untrained") and asks == "rewards":
        found.error(f"{item}: {name} is no reward model.", "Compare with longer, or with another reward step.")
        return None
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
    return _function_arm(item, name, label, rows, own, found, asks)


def _function_arm(
    item: At, name: str, label: str, rows: Feed | None, own: dict[str, At], found: Found, asks: Asks
) -> Arm | None:
    named = Named("arm", name, str(found.folder))
    try:
        values, mistakes = check_parameters(named, own, item, engine=GIVEN_TO_ARMS)
        gives = asks_of(named)
    except UserError as error:
        found.error(f"{item}: {error.problem}", error.hint)
        return None
    found.errors.extend(mistakes)
    if gives != asks:
        found.error(
            f"{item}: {name} gives {gives}, and the metrics ask for {asks}.", f"Arms for it: {_arms_for(asks)}."
        )
    return Arm("function" if ":" in name else "registered", label, named, rows, values)


def _arms_for(asks: Asks) -> str:
    """What can be compared with, in words."""
    registered = [name for name in names("arm") if asks_of(Named("arm", name)) == asks]
    return ", ".join([*registered, "the name of a train step", *(["base", "untrained"] if asks != "rewards" else [])])


def _check_gives(at: At, step: TrainStep, asks: Asks, found: Found) -> None:
    """Note a model that cannot give what the metrics ask for."""
    if step.judges and asks != "rewards":
        hint = "Measure it by pair_accuracy, in a recipe of its own."
        found.error(f"{at}: {step.name} is a reward model, and the metrics ask for {asks}.", hint)
    elif asks == "rewards" and not step.judges:
        hint = "pair_accuracy measures reward steps."
        found.error(f"{at}: {step.name} is no reward model, and the metrics ask for rewards.", hint)


def _candidates(at: At, found: Found, train: tuple[TrainStep, ...], asks: Asks) -> tuple[str, ...]:
    """The steps that are evaluated: those named, or the last one that gives what the metrics ask for."""
    steps = {step.name: step for step in train}
    given = [str(item.value) for item in _items(at, "candidates", found)]
    for name in given:
        if name not in steps:
            found.error(f"{take(at, 'candidates')}: there is no train step {name!r}.", near(name, list(steps)))
        else:
            _check_gives(at.child("candidates"), steps[name], asks, found)
    fitting = [step.name for step in train if step.judges == (asks == "rewards")]
    if not given and not fitting:
        found.error(f"{at}: there is nothing to evaluate.", "Add a train: step that gives what the metrics ask for.")
    return tuple(given) or tuple(fitting[-1:])


def _gate(
    at: At | None,
    found: Found,
    metrics: tuple[Metric, ...],
    arms: tuple[Arm, ...],
    slices: Mapping[str, Mapping[str, Bound]],
) -> dict[str, Mapping[str, object]]:
    if at is None:
        return {}
    labels, names = list(dict.fromkeys(m.label for m in metrics)), [arm.label for arm in arms]
    if not isinstance(at.value, Mapping):
        found.errors.extend(check_gate(at.plain, labels, names, where=str(at)))
        return {}
    for name, item in at.items():
        part = name.partition("@")[2]
        if part and part not in slices:
            found.error(f"{item}: there is no slice {part!r}.", near(part, list(slices)) if slices else "Add slices:.")
        for error in check_gate({name: item.plain}, labels, names, where=at.path):
            place, _, problem = error.problem.partition(": ")
            found.error(f"{place} (line {item.line}): {problem}" if item.line else error.problem, error.hint)
    return cast(dict[str, Mapping[str, object]], at.plain)


def _slices(at: At | None, found: Found) -> dict[str, dict[str, Bound]]:
    if at is None:
        return {}
    items = dict(at.items()) if isinstance(at.value, Mapping) else {"": at}
    for item in items.values():
        if not isinstance(item.value, Mapping):
            found.error(
                f"{item}: {item.plain!r} is no slice.", "For example slices: {short: {signal.words: {max: 5}}}."
            )
    return {
        name: {
            column: found.attempt(lambda bound=bound: parse_bound(bound.plain, str(bound)), default=Bound())  # type: ignore[misc]  # bound at once
            for column, bound in item.items()
        }
        for name, item in items.items()
        if isinstance(item.value, Mapping)
    }
