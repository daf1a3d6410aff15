"""A function's signature is the schema of its parameters: names, types and defaults, checked before any work."""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.core.registry import Named, near
from tunesmith.recipe.yaml import At, plain

WORDS: dict[object, str] = {
    str: "text",
    LocalPath: "the path of a file or folder",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "nothing",
}


def options(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a function: what a recipe may set."""
    parameters = inspect.signature(function).parameters
    return {name: item for name, item in parameters.items() if item.kind is inspect.Parameter.KEYWORD_ONLY}


def annotation(function: Callable[..., object], name: str) -> object:
    """The type of one parameter; only this one is evaluated, so that heavy types of others are never imported."""
    given = options(function)[name].annotation
    if isinstance(given, str):
        # the file's own text, not a user's input: annotations are strings there
        return eval(given, {**vars(collections.abc), **getattr(function, "__globals__", {})})
    return Any if given is inspect.Parameter.empty else given


def takes_function(function: Callable[..., object], name: str) -> bool:
    """Whether a parameter is a function, written in a recipe as ./file.py:function."""
    kind = annotation(function, name)
    return any(get_origin(part) is collections.abc.Callable for part in (kind, *getattr(kind, "__args__", ())))


def takes_path(function: Callable[..., object], name: str) -> bool:
    """Whether a parameter names a file or folder, or a list of them, which may be patterns."""
    return LocalPath in _parts(annotation(function, name))


def _parts(kind: object) -> list[object]:
    """A type and all that it is made of."""
    return [kind, *(part for inner in get_args(kind) for part in _parts(inner))]


def check_parameters(
    named: Named,
    given: Mapping[str, At],
    where: At,
    *,
    engine: frozenset[str] = frozenset(),
    also: Sequence[str] = (),
) -> tuple[dict[str, object], list[UserError]]:
    """The given parameters as plain values, and every mistake in them.

    `engine` names those that are not the user's, `also` words of the step that were already taken: for near names.
    """
    return check_options(named.load(), named.name, given, where, base=named.base, engine=engine, also=also)


def check_options(
    function: Callable[..., object],
    called: str,
    given: Mapping[str, At],
    where: At,
    *,
    base: str = ".",
    engine: frozenset[str] = frozenset(),
    also: Sequence[str] = (),
) -> tuple[dict[str, object], list[UserError]]:
    """The same for a function that no name leads to; mistakes speak of it as it is `called`."""
    known = {name: item for name, item in options(function).items() if name not in engine}
    mistakes = [
        UserError(f"{at}: {called} has no parameter {name!r}.", near(name, [*known, *also]))
        for name, at in given.items()
        if name not in known
    ]
    values: dict[str, object] = {}
    for name, at in given.items():
        if name in known:
            try:
                values[name] = _check(function, name, at, base)
            except UserError as error:
                mistakes.append(error)
    missing = [name for name, item in known.items() if item.default is inspect.Parameter.empty and name not in given]
    mistakes += [UserError(f"{where}: {called} needs {name}:.", f"Add {name}: to it.") for name in missing]
    return values, mistakes


def _check(function: Callable[..., object], name: str, at: At, base: str) -> object:
    if takes_function(function, name):
        return _check_function(at, base)
    kind = annotation(function, name)
    value = plain(at.value)
    try:
        TypeAdapter(cast(Any, kind), config=ConfigDict(strict=True, arbitrary_types_allowed=True)).validate_json(
            _json(value)
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise UserError(f"{at}: {value!r} will not do: {problem['msg']}.", _remedy(value, kind)) from None
    if takes_path(function, name):
        for path in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
            found = paths_of(str(path), Path(base)) if isinstance(value, list) else [Path(base) / str(path)]
            if not found or not all(one.exists() for one in found):
                raise UserError(
                    f"{at}: {path!r} does not exist in {base}.", "Paths are relative to the recipe's folder."
                )
    return value


def paths_of(pattern: str, folder: Path) -> list[Path]:
    """The files that a path or a pattern such as evals/*.jsonl names, sorted; a folder is itself."""
    found = glob(str(folder / pattern), recursive=True) if has_magic(pattern) else [str(folder / pattern)]
    return sorted(Path(path) for path in found)


def _check_function(at: At, base: str) -> str:
    if not isinstance(at.value, str) or ":" not in at.value:
        raise UserError(f"{at}: {at.value!r} is not a function.", "Write ./file.py:function.")
    try:
        Named("function", str(at.value), base).load()
    except UserError as error:
        raise UserError(f"{at}: {error.problem}", error.hint) from None
    return str(at.value)


def _json(value: object) -> bytes:
    import json

    return json.dumps(value, default=str).encode()


def _remedy(value: object, kind: object) -> str:
    if kind is bool and isinstance(value, str):
        return "YAML 1.2 knows only true and false; yes, no, on and off are text."
    if isinstance(value, bool):
        return f"It takes {_name(kind)}, not true or false."
    return f"It takes {_name(kind)}."


def _name(kind: object) -> str:
    """A type as people say it."""
    inner = [_name(part) for part in get_args(kind)]
    origin = get_origin(kind)
    if kind in WORDS:
        return WORDS[kind]
    if origin in (Union, UnionType):
        return " or ".join(inner)
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin in (collections.abc.Mapping, dict):
        return f"a mapping of {inner[0]} to {inner[1]}, such as {{name: value}}"
    if origin in (collections.abc.Sequence, list):
        return f"a list of {inner[0]}"
    return str(kind).replace("collections.abc.", "").replace("typing.", "")
