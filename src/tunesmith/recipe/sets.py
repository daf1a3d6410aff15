"""`--set path=value`: changes to a recipe from outside, kept in the manifest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.recipe.yaml import At


def parse_sets(given: list[str]) -> dict[str, object]:
    """The changes written as path=value; values are read as YAML."""
    return dict(_parse_set(item) for item in given)


def _parse_set(item: str) -> tuple[str, object]:
    path, sign, value = item.partition("=")
    if not sign or not path:
        raise UserError(f"--set {item}: there is no '='.", "Write --set path=value, such as --set seed=8.")
    try:
        return path.strip(), YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        raise UserError(f"--set {item}: the value is not YAML.", "Put it in quotes, brackets closed.") from None


def apply_sets(root: At, changes: Mapping[str, object]) -> At:
    """The recipe with each change made; `data.tickets.0.path` and `train.voice.epochs` both name a parameter."""
    if not changes:
        return root
    value = copy.deepcopy(root.value)
    for path, new in changes.items():
        _set(value, path.split("."), new, path)
    return At(value, root.path, root.line)


def _set(node: object, path: list[str], new: object, whole: str) -> None:
    for number, name in enumerate(path):
        key = _entry(node, name, whole, last=number == len(path) - 1)
        if number == len(path) - 1:
            node[key] = new  # type: ignore[index]  # _entry has checked that it is a mapping or a list
        else:
            node = node[key]  # type: ignore[index]  # likewise


def _entry(node: object, name: str, whole: str, *, last: bool) -> object:
    if isinstance(node, MutableSequence):
        if name.isdigit() and int(name) < len(node):
            return int(name)
        steps = {_name(step): number for number, step in reversed(list(enumerate(node)))}
        if name not in steps:
            raise UserError(f"--set {whole}: there is no step {name!r}.", near(name, list(steps)))
        return steps[name]
    if isinstance(node, MutableMapping) and (last or name in node):
        return name
    known = list(map(str, node)) if isinstance(node, Mapping) else []
    raise UserError(
        f"--set {whole}: there is no {name!r}.", near(name, known) if known else "Look at the recipe's keys."
    )


def _name(step: object) -> str:
    """What a step is called in a path: its as:, or what stands after its kind."""
    if isinstance(step, Mapping) and step:
        return str(step.get("as") or next(iter(step.values())))
    return str(step)
