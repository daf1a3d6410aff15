"""Signatures and first docstring sentences of the Python functions that this environment has installed."""

from __future__ import annotations

import ast
import hashlib
import platform
import re
import sysconfig
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from tunesmith.core.errors import UserError
from tunesmith.data.packages import distributions, families, family, licence, normal, python_files

FILES_A_PIECE = 64
TEST_FOLDERS = frozenset({"idle_test", "test", "testing", "tests"})

# A colon and then a string: every file with a docstring has it, and to look is a tenth of the work of parsing.
_HAS_DOCSTRING = re.compile(rb":[ \t]*(?:#[^\n]*)?\s*[rRuU]?[\"']")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\"'(])")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Piece:
    """Some files of one installed package, and what is known about that package: the work of one call of `read`."""

    package: str
    version: str
    license: str
    group: str
    root: str  # absolute, so it stays out of rows and fingerprints
    paths: tuple[str, ...]  # relative to root, with forward slashes
    tests_skipped: int  # test files of this package, counted in its first piece only


def python_code(
    *, standard_library: bool = True, installed: bool = True, packages: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[Piece]:
    """Plan to read every function that has a docstring, as prompt (its signature) and target (the first sentence).

    `packages` names the only installed distributions to read (all without it), `exclude` those to leave out; the
    standard library is read with `standard_library`. Test code is left out and counted. Rows of one family of packages
    share their group, and so do vendored copies of a project and the project itself. Closures and functions without
    a docstring are no rows.
    """
    site = distributions()
    _check_names([*packages, *exclude], site)
    family_of = families(site)
    chosen = ({normal(name) for name in packages} or set(site)) if installed else set()
    pieces = _standard_library_pieces(family_of) if standard_library else []
    for name in sorted(chosen - {normal(name) for name in exclude}):
        found = site[name]
        root = str(found.locate_file(""))
        facts = (name, found.version, licence(found), root)
        pieces += _pieces(*facts, paths=python_files(found), family_of=family_of)
    return pieces


def fingerprint(piece: Piece) -> str:
    """Give what identifies the content of a piece: package, version and files, never where they are installed."""
    facts = "\n".join([piece.license, piece.group, *piece.paths])
    return f"{piece.package}=={piece.version}:{hashlib.sha256(facts.encode()).hexdigest()}"


def read(piece: Piece) -> Iterator[dict[str, object]]:
    """Yield the rows of a piece in file order; a file that cannot be parsed is one quarantined row."""
    for path in piece.paths:
        source = Path(piece.root, path).read_bytes()
        if not _HAS_DOCSTRING.search(source):
            continue
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError) as error:  # ValueError: null bytes
            line = getattr(error, "lineno", None) or 1
            yield {"quarantine": {"uri": path, "line": line, "error": str(error), "raw": source}}
            continue
        yield from _file_rows(piece, path, tree)


def signature(function: Function, owner: str = "") -> str:
    """Write a function as `Owner.name(first, second) -> Result`, without defaults and types of parameters.

    >>> signature(ast.parse("def load(self, path: str, *, strict=True) -> Config: ...").body[0], "Loader")
    'Loader.load(path, strict) -> Config'
    """
    a = function.args
    names = [p.arg for p in (*a.posonlyargs, *a.args)]
    names += [f"*{a.vararg.arg}"] if a.vararg else []
    names += [p.arg for p in a.kwonlyargs]
    names += [f"**{a.kwarg.arg}"] if a.kwarg else []
    shown = ", ".join(name for name in names if name not in ("self", "cls"))
    result = f" -> {_annotation(function.returns)}" if function.returns else ""
    return f"{owner}.{function.name}({shown}){result}" if owner else f"{function.name}({shown}){result}"


def first_sentence(docstring: str) -> str:
    r"""Give the first sentence of a docstring on one line.

    >>> first_sentence("\n    Load the\n    config. Then check it.\n\n    More.")
    'Load the config.'
    """
    # a lone surrogate, written as an escape in the source, has no UTF-8 form
    paragraph = docstring.encode("utf-8", "replace").decode().strip().partition("\n\n")[0]
    lines = [line.strip() for line in paragraph.splitlines()]
    filled = lines[: lines.index("")] if "" in lines else lines
    return _SENTENCE_END.split(" ".join(filled), maxsplit=1)[0]


def _annotation(node: ast.expr) -> str:
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
    return " ".join(text.split())


def _file_rows(piece: Piece, path: str, tree: ast.Module) -> Iterator[dict[str, object]]:
    module = ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")
    seen: dict[str, int] = {}
    for function, owner in _functions(tree.body, ""):
        summary = first_sentence(ast.get_docstring(function, clean=False) or "")
        if not summary:
            continue
        name = f"{owner}.{function.name}" if owner else function.name
        seen[name] = seen.get(name, 0) + 1
        ordinal = f":{seen[name]}" if seen[name] > 1 else ""  # property setters and platform variants share a name
        facts = {"package": piece.package, "version": piece.version, "module": module, "class": owner}
        yield {
            "key": f"{piece.package}:{module}:{name}{ordinal}",
            "text": summary,
            "prompt": signature(function, owner),
            "target": summary,
            "group": piece.group,
            "license": piece.license,
            "origin": {"uri": path, "line": function.lineno},
            "meta": {**facts, "name": function.name},
        }


def _functions(body: Sequence[ast.stmt], owner: str) -> Iterator[tuple[Function, str]]:
    """Walk modules and classes, through if, try and with, but not into functions: a closure has no public name."""
    for node in body:
        if isinstance(node, Function):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{owner}.{node.name}" if owner else node.name)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _functions(node.body, owner)
            yield from _functions(getattr(node, "orelse", []), owner)
            for handler in getattr(node, "handlers", []):
                yield from _functions(handler.body, owner)


def _standard_library_pieces(family_of: Mapping[str, str]) -> list[Piece]:
    root = Path(sysconfig.get_path("stdlib"))
    tops = [top for top in root.iterdir() if top.name not in ("site-packages", "dist-packages")]
    files = [path for top in tops for path in ([top] if top.suffix == ".py" else top.rglob("*.py"))]
    paths = sorted(path.relative_to(root).as_posix() for path in files)
    return _pieces("python", platform.python_version(), "PSF-2.0", str(root), paths=paths, family_of=family_of)


def _pieces(
    package: str, version: str, license: str, root: str, *, paths: Sequence[str], family_of: Mapping[str, str]
) -> list[Piece]:
    members: dict[str, list[str]] = {}
    for path in paths:
        if not _is_test(path):
            members.setdefault(family(package, path, family_of), []).append(path)
    parts = [
        (group, tuple(files[start : start + FILES_A_PIECE]))
        for group, files in sorted(members.items())
        for start in range(0, len(files), FILES_A_PIECE)
    ]
    skipped = sum(_is_test(path) for path in paths)
    return [
        Piece(package, version, license, group, root, files, 0 if i else skipped)
        for i, (group, files) in enumerate(parts)
    ]


def _is_test(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    is_test_file = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return is_test_file or not TEST_FOLDERS.isdisjoint(folder.lower() for folder in folders)


def _check_names(asked: Sequence[str], known: Collection[str]) -> None:
    for name in asked:
        if normal(name) not in known:
            near = get_close_matches(normal(name), known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Only what is installed in this environment can be read."
            raise UserError(f"python_code: no installed package is called '{name}'.", hint)
