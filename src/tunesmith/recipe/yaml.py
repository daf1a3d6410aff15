"""YAML 1.2 with line numbers: what a recipe's text says, and where it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tunesmith.core.errors import UserError


@dataclass(frozen=True)
class At:
    """A value of a recipe with the path and line it stands at."""

    value: object
    path: str
    line: int | None

    def __str__(self) -> str:
        return f"{self.path} (line {self.line})" if self.line else self.path

    def items(self) -> Iterator[tuple[str, At]]:
        """The entries of a mapping."""
        assert isinstance(self.value, Mapping)
        for name in self.value:
            yield str(name), self.child(name)

    def child(self, name: object) -> At:
        """One entry of a mapping or list."""
        assert isinstance(self.value, Mapping | Sequence)
        path = f"{self.path}[{name}]" if isinstance(name, int) else f"{self.path}.{name}".lstrip(".")
        return At(self.value[name], path, _line(self.value, name) or self.line)  # type: ignore[call-overload]  # a key it has

    def each(self) -> list[At]:
        """The entries of a list."""
        assert isinstance(self.value, Sequence)
        return [self.child(number) for number in range(len(self.value))]

    @property
    def plain(self) -> object:
        """The value as plain dicts, lists and scalars."""
        return plain(self.value)


def plain(value: object) -> object:
    """Plain Python data from what the YAML reader gives."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool):
        return bool(value)
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _line(node: object, name: object) -> int | None:
    if not isinstance(node, CommentedMap | CommentedSeq):
        return None
    position = node.lc.data.get(name) if node.lc.data else None
    return position[0] + 1 if position else None


def read_yaml(path: Path) -> tuple[At, str]:
    """The recipe at this path and its text; raises UserError with the line if it is not YAML."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.", _similar(path)) from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder.", "Name the recipe file in it.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} is not UTF-8 (line {line}, byte {error.start}).", "Save the recipe as UTF-8."
        ) from None
    return At(_parse(text, path), "", None), text


def _similar(path: Path) -> str:
    found = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"Recipes in that folder: {', '.join(found)}." if found else "`tunesmith new` writes a recipe to start from."


def _parse(text: str, path: Path) -> object:
    reader = YAML(typ="rt")
    reader.allow_duplicate_keys = False
    try:
        value = reader.load(text)
    except DuplicateKeyError as error:
        raise UserError(f"{_place(path, error)}: {_first(error.problem)}.", "Each key may stand once.") from None
    except MarkedYAMLError as error:
        hint = "Check the indentation, the quotes and the colons of this line and the one above it."
        raise UserError(f"{_place(path, error)}: this is not YAML: {_first(error.problem)}.", hint) from None
    except YAMLError as error:
        raise UserError(f"{path} is not YAML: {_first(str(error))}.", "Save it as plain UTF-8 text.") from None
    if not isinstance(value, Mapping):
        raise UserError(f"{path} is not a recipe: it holds no keys.", "`tunesmith new` writes a recipe to start from.")
    return value


def _first(problem: str | None) -> str:
    return (problem or "unreadable").partition("\n")[0].rstrip(".")


def _place(path: Path, error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"{path}, line {mark.line + 1}" if mark else str(path)
