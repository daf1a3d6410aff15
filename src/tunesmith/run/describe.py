"""What a KEY must know of a data step."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tunesmith.core.hashing import file_sha256, key_of
from tunesmith.core.registry import Named
from tunesmith.recipe import Step
from tunesmith.recipe.grammar import Feed
from tunesmith.recipe.parameters import options, paths_of, takes_function, takes_path


def describe(step: Step) -> dict[str, object]:
    """What a KEY must know of a step: its function, version and parameters; not its bounds."""
    module_version = getattr(step.function.module(), "VERSION", 1) if step.kind != "review" else 1
    return {
        "kind": step.kind,
        "name": step.function.name,
        "code": step.function.fingerprint() if step.kind != "review" else None,
        "as": step.label,
        "on": step.on,
        "version": module_version,
        "parameters": {
            name: str(value) if isinstance(value, Feed) else value for name, value in step.parameters.items()
        },
        "user_code": _user_code(step),
        "files": _files(step),
        "libraries": {name: version(name) for name in getattr(step.function.module(), "USES", ())}
        if step.kind != "review"
        else {},
    }


def _user_code(step: Step) -> dict[str, str | None]:
    """The hashes of the functions among a step's parameters."""
    if step.kind == "review":
        return {}
    function = step.function.load()
    given = [name for name in step.parameters if name in options(function) and takes_function(function, name)]
    return {name: Named("function", str(step.parameters[name]), step.function.base).fingerprint() for name in given}


def _files(step: Step) -> dict[str, str]:
    """The hashes of the files and folders among a step's parameters."""
    if step.kind == "review":
        return {}
    function = step.function.load()
    known = {name: value for name, value in step.parameters.items() if not isinstance(value, Feed)}
    given = [name for name in known if name in options(function) and takes_path(function, name)]
    return {name: _hashes(step.parameters[name], Path(step.function.base)) for name in given}


def _hashes(value: object, folder: Path) -> str:
    """The hash of a file or folder, or of all files that a list of patterns names."""
    if isinstance(value, list | tuple):
        return key_of([[path.name, _hash(path)] for pattern in value for path in paths_of(str(pattern), folder)])
    return _hash(folder / str(value))


def _hash(path: Path) -> str:
    if path.is_file():
        return file_sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return key_of([[file.relative_to(path).as_posix(), file_sha256(file)] for file in files])
