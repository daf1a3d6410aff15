"""Presets: several signals with their bounds under one name. Each is a YAML file of steps as a recipe has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.recipe.fields import Found, one_of, take
from tunesmith.recipe.yaml import At, read_yaml

FOLDER = Path(__file__).parents[1] / "data" / "presets"
WORDS = ("preset", "as", "on", "keep", "parameters", "without")
Fields = Mapping[str, object]


def preset_names() -> list[str]:
    """The presets that tunesmith comes with."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def read_preset(name: str, base: Path = Path()) -> Fields:
    """A preset by its name, or a file of one's own (./house.yaml): its help, and its steps by their names.

    Raises UserError if there is none.
    """
    if not name.endswith(".yaml") and name not in preset_names():
        raise UserError(f"there is no preset {name!r}.", near(name, preset_names()))
    given = cast(Fields, read_yaml(base / name if name.endswith(".yaml") else FOLDER / f"{name}.yaml")[0].plain)
    steps = given.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) and "signal" in step for step in steps):
        raise UserError(f"{name} is not a preset: its steps: are not all signals.", "docs/presets.md shows the form.")
    return {**given, "steps": {str(step.get("as", step["signal"])): step for step in steps}}


def expand(at: At, found: Found) -> list[At]:
    """The steps that `- preset: NAME` stands for, each named PRESET_SIGNAL, with the bounds that the recipe changes."""
    one_of(at, WORDS, found)
    name = str(at.child("preset").value)
    try:
        steps = cast(Mapping[str, Fields], read_preset(name, found.folder)["steps"])
    except UserError as error:
        found.error(f"{at}: {error.problem}", error.hint)
        return []
    prefix = found.name(take(at, "as"), default=Path(name).stem)
    changes = {word: _changes(at, word, list(steps), found) for word in ("keep", "parameters")}
    left_out = cast(list[str], at.child("without").plain) if take(at, "without") else []
    for unknown in (part for part in left_out if part not in steps):
        found.error(f"{at}: {name} has no signal {unknown!r}.", near(unknown, list(steps)))
    on = {"on": at.child("on").value} if take(at, "on") else {}
    return [
        At({**_step(part, step, changes), "as": f"{prefix}_{part}", **on}, at.path, at.line)
        for part, step in steps.items()
        if part not in left_out
    ]


def _changes(at: At, word: str, known: list[str], found: Found) -> Mapping[str, Fields]:
    changes = take(at, word)
    if changes is None:
        return {}
    if not isinstance(changes.value, Mapping):
        found.error(f"{changes}: {changes.plain!r} names no signal.", f"For example {word}: {{{known[0]}: {{...}}}}.")
        return {}
    one_of(changes, known, found)
    for name, item in changes.items():
        if not isinstance(item.value, Mapping):
            found.error(f"{item}: {item.plain!r} is no mapping.", f"For example {word}: {{{name}: {{...}}}}.")
    given = cast(Mapping[str, object], changes.plain)
    return {name: cast(Fields, value) for name, value in given.items() if isinstance(value, Mapping)}


def _step(part: str, step: Fields, changes: Mapping[str, Mapping[str, Fields]]) -> dict[str, object]:
    """A step of the preset; a bound that the recipe gives replaces that on the same measurement."""
    own = {name: value for name, value in step.items() if name != "why"}
    keep = cast(Fields, step.get("keep", {}))
    changed = changes["keep"].get(part)
    if changed is not None:
        by_name = any(isinstance(bound, Mapping) for bound in keep.values())
        own["keep"] = {**keep, **changed} if by_name else changed
    return {**own, **changes["parameters"].get(part, {})}


def bounds_of(name: str) -> Iterator[tuple[str, str, str]]:
    """What a preset measures, the bound on it, and where the bound is from: for people to read."""
    for part, step in cast(Mapping[str, Fields], read_preset(name)["steps"]).items():
        keep = cast(Fields, step.get("keep", {}))
        by_name = any(isinstance(bound, Mapping) for bound in keep.values())
        bounds = {f"{part} {key}".strip(): bound for key, bound in keep.items()} if by_name else {part: keep}
        for measured, bound in bounds.items():
            told = ", ".join(f"{limit} {value}" for limit, value in cast(Fields, bound).items())
            yield measured, told or "no bound", str(step.get("why", ""))
