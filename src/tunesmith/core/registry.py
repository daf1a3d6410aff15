"""Names to functions. A registered name is a file with a function of that name; user code is ./file.py:function.

Looked up in this order: `./file.py:function` beside the recipe, the entry points of other packages (group
`tunesmith.KIND`), then the file of that name in the folder of its kind. Listing names imports nothing.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from types import ModuleType

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128

KINDS = {
    "source": "tunesmith.data.sources",
    "signal": "tunesmith.data.signals",
    "edit": "tunesmith.data.edits",
    "pass": "tunesmith.data.passes",
    "make": "tunesmith.data.makers",
    "train": "tunesmith.train",
    "metric": "tunesmith.evaluate.metrics",
    "arm": "tunesmith.models.arms",
}


@dataclass(frozen=True)
class Named:
    """A function by its name in a recipe; it travels to worker processes, where `load` finds it again."""

    kind: str
    name: str  # a registered name, or ./file.py:function
    base: str = "."  # the folder that ./ stands for

    @property
    def label(self) -> str:
        """The name that results are reported under: the part after the colon, or the name."""
        return self.name.rpartition(":")[2]

    def load(self) -> Callable[..., object]:
        """The function itself; raises UserError if there is none."""
        return getattr(self.module(), self.label)  # type: ignore[no-any-return]  # module() has checked that it is there

    def module(self) -> ModuleType:
        """The module that holds the function; raises UserError if there is none."""
        module = _user_module(self._path()) if self._is_user_code else _registered_module(self.kind, self.name)
        if not callable(getattr(module, self.label, None)):
            functions = sorted(name for name, value in vars(module).items() if inspect.isfunction(value))
            raise UserError(
                f"{self.name}: the file has no function {self.label!r}.",
                f"Its functions: {', '.join(functions) or 'none'}.",
            )
        return module

    def fingerprint(self) -> str | None:
        """What a KEY must know of code that is not ours: the hash of a user's file, a package's name and version."""
        if self._is_user_code:
            return _code_hash(self._path())
        found = [point.dist for point in _points(self.kind) if point.name == self.name and point.dist]
        return f"{found[0].name}=={found[0].version}" if found else None

    @property
    def _is_user_code(self) -> bool:
        return ":" in self.name

    def _path(self) -> Path:
        return (Path(self.base) / self.name.rpartition(":")[0]).resolve()


def names(kind: str) -> tuple[str, ...]:
    """All registered names of a kind, sorted, without importing any of them."""
    own = {path.stem for path in _folder(kind).glob("*.py") if _holds(path)}
    return tuple(sorted(own | {point.name for point in _points(kind)}))


def help_of(kind: str, name: str) -> str:
    """The first docstring line of a registered function, read without importing it."""
    path = _folder(kind) / f"{name}.py"
    if not path.exists():
        return (inspect.getdoc(Named(kind, name).load()) or "").partition("\n")[0]
    return (ast.get_docstring(_function(path)) or "").partition("\n")[0]


def near(name: str, known: tuple[str, ...] | list[str]) -> str:
    """A hint that names the nearest known name, and where to see them all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}."


@cache
def _points(kind: str) -> EntryPoints:
    """What other packages register for a kind; looked up once, as it reads the metadata of all packages."""
    return entry_points(group=f"tunesmith.{kind}") if kind in KINDS else EntryPoints()


def _folder(kind: str) -> Path:
    return Path(__file__).parents[1].joinpath(*KINDS[kind].split(".")[1:])


def _holds(path: Path) -> bool:
    return not path.stem.startswith("_") and f"\ndef {path.stem}(" in path.read_text("utf-8")


def _function(path: Path) -> ast.FunctionDef:
    tree = ast.parse(path.read_text("utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == path.stem)


def _registered_module(kind: str, name: str) -> ModuleType:
    for point in (point for point in _points(kind) if point.name == name):
        return importlib.import_module(point.module)
    if name not in names(kind):
        raise UserError(f"there is no {kind} {name!r}.", f"{near(name, names(kind))} All: tunesmith list {kind}")
    return importlib.import_module(f"{KINDS[kind]}.{name}")


@cache
def _user_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"{path} does not exist.", "Paths of user code are relative to the recipe's folder.")
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # so that user code can import the files beside it
    spec = importlib.util.spec_from_file_location(f"tunesmith_user_{_code_hash(path)}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.", "User code is ./file.py:function.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever goes wrong in there is the user's to mend
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise UserError(
            f"{where}: {type(error).__name__} on import: {error}.", "Mend the file; it is imported as plain Python."
        ) from error
    return module


def _code_hash(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path} does not exist.", "Paths of user code are relative to the recipe's folder.")
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(path.parent).as_posix(), file) for file in _with_local_imports(path)):
        digest.update(hash128([name, file.read_bytes()]))
    return digest.hexdigest()[:20]


def _with_local_imports(path: Path) -> set[Path]:
    """The file and those beside it that it imports or names in a string, directly or through one another."""
    found, unread = {path}, [path]
    while unread:
        new = set(_neighbours(path.parent, *_names_in(unread.pop()))) - found
        found |= new
        unread += [neighbour for neighbour in new if neighbour.suffix == ".py"]
    return found


def _neighbours(folder: Path, imports: set[str], strings: set[str]) -> Iterator[Path]:
    """The files that imports (of a package: all its modules) and strings lead to below a folder."""
    for name in imports:
        yield from (folder / name).rglob("*.py")
    for name in {f"{name}.py" for name in imports} | strings:
        if (file := folder / name).is_file():
            yield file


def _names_in(path: Path) -> tuple[set[str], set[str]]:
    """The modules that a Python file imports, and the strings in it that may be names of files."""
    try:
        tree = ast.parse(path.read_bytes())  # as bytes, so that Python's own rules for encodings hold
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}.", "Mend the file; it is plain Python.") from error
    except ValueError as error:  # null bytes
        raise UserError(f"{path} cannot be read: {error}.", "Save it as plain Python in UTF-8.") from error
    nodes = list(ast.walk(tree))
    imports = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {name.partition(".")[0] for name in imports}, {text for text in strings if _is_file_name(text)}


def _is_file_name(text: str) -> bool:
    return 0 < len(text) < 100 and "\0" not in text and "\n" not in text and not {"", ".", ".."} & set(text.split("/"))
