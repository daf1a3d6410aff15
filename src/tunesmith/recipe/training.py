"""The train section: one checkpoint a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from tunesmith.core.registry import Named, names, near
from tunesmith.recipe.fields import Found, first_key, take
from tunesmith.recipe.grammar import DataList, TrainStep
from tunesmith.recipe.lists import parts_of
from tunesmith.recipe.parameters import check_parameters
from tunesmith.recipe.yaml import At

SHARED = ("data", "from", "tokenizer", "init")


def parse_training(
    at: At | None, found: Found, lists: Mapping[str, DataList], base: str | None
) -> tuple[TrainStep, ...]:
    """The train steps, in order; each starts from the one above it unless `from:` says otherwise."""
    if at is None:
        return ()
    if not isinstance(at.value, list):
        found.error(f"{at}: train: is a list of steps.", "Begin a step with '- sft: NAME'.")
        return ()
    steps: list[TrainStep] = []
    for item in at.each():
        step = _parse(item, found, lists, base, steps)
        if step is not None and any(step.name == other.name for other in steps):
            found.error(f"{item}: there are two train steps {step.name!r}.", "Give each checkpoint its own name.")
        elif step is not None:
            steps.append(step)
    return tuple(steps)


def _parse(
    at: At, found: Found, lists: Mapping[str, DataList], base: str | None, above: list[TrainStep]
) -> TrainStep | None:
    kind = first_key(at)
    if kind is None or kind not in names("train"):
        known = names("train")
        found.error(f"{at}: there is no trainer {kind!r}.", f"{near(kind or '', known)} Write '- sft: NAME'.")
        return None
    named = Named("train", kind, str(found.folder))
    own = {name: item for name, item in at.items() if name != kind and name not in SHARED}
    values, mistakes = check_parameters(named, own, at)
    found.errors.extend(mistakes)
    start = _start(at, found, base, above)
    step = TrainStep(
        named,
        str(at.child(kind).value),
        _data(at, found, lists),
        start,
        str(at),
        values,
        _mapping(take(at, "tokenizer"), found),
        _mapping(take(at, "init"), found),
    )
    if (step.tokenizer or step.init) and not start.startswith("scratch:"):
        found.error(f"{at}: tokenizer: and init: belong to a model from scratch.", "Only the first step takes them.")
    return step


def _start(at: At, found: Found, base: str | None, above: list[TrainStep]) -> str:
    start = found.text(take(at, "from"), default=None) or (above[-1].name if above else base)
    if start is None:
        found.error(
            f"{at}: nothing says what it starts from.", "Add base: (a model folder, or scratch:1M) to the recipe."
        )
        return "scratch:1M"
    known = [step.name for step in above]
    if take(at, "from") and start not in known and start != base and "/" not in start and ":" not in start:
        found.error(f"{at}.from: no step above it is called {start!r}.", near(start, known))
    return start


def _data(at: At, found: Found, lists: Mapping[str, DataList]) -> str:
    given = found.text(take(at, "data"), default=None)
    if given is None and len(lists) == 1:
        given = next(iter(lists))
    if given is None:
        found.error(f"{at}: it does not say which list it learns from.", f"Add data: with one of {', '.join(lists)}.")
    elif given not in lists:
        found.error(f"{at}.data: there is no list {given!r}.", near(given, list(lists)))
    elif "train" not in parts_of(lists, given):
        hint = "Add - pass: split with parts {train: ..., validation: ...} to it, or begin it from: a part of a split list."
        found.error(f"{at}.data: the list {given!r} has no part train.", hint)
    return given or ""


def _mapping(at: At | None, found: Found) -> dict[str, object]:
    if at is None:
        return {}
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: {at.plain!r} is not a mapping.", "For example {vocabulary: 4096}.")
        return {}
    return cast(dict[str, object], at.plain)
