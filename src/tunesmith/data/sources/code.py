"""Source code: the files of a folder, of git repositories or of a zip archive, one document a file."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from stat import S_ISLNK
from typing import Literal, NotRequired, TypedDict, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath, Record
from tunesmith.core.registry import near
from tunesmith.data.sources._licences import all_of, spdx
from tunesmith.data.sources._whole import ARCHIVE_ERRORS, HEAD, part, said

VERSION = 1
FILES_A_PIECE = 64
BINARY_BYTES = 8000  # git takes a file for binary if there is a null byte in so many
SHARED_BYTES = 50_000  # where a file shows which of the languages that share an ending it is in
HEADER_CHARACTERS = 3000  # where a file names its own licence
PROSE = ("AsciiDoc", "HTML", "Markdown", "Org", "Text", "reStructuredText")  # what licences are written in
VERSIONS = frozenset({".bzr", ".git", ".hg", ".jj", ".svn"})  # what version control keeps in a folder is no code of it
BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

_LICENCE_FILE = re.compile(r"(?:un)?licen[cs]e(?:s?[._-].*)?|copying(?:[._-].*)?", re.IGNORECASE)
_CODING = re.compile(rb"\A(?:[^\n]*\n)?[^\n]*?coding[:=][ \t]*([-\w.]+)")  # as Python (PEP 263), Emacs and Vim say it
_SHEBANG = re.compile(rb"\A#![ \t]*(?:\S*/env[ \t]+(?:-\S+[ \t]+)*)?(?:\S*/)?([\w.+-]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Repository:
    """What belongs together: its name, its folder below the root (ending in a slash, or nothing), and its files."""

    name: str
    inside: str
    commit: str | None
    paths: tuple[str, ...]  # below `inside`, with forward slashes


@dataclass(frozen=True)
class Piece:
    """Some files of one repository: the work of one call of `read`."""

    root: str  # absolute, a folder or a zip archive: only its last name gets into rows
    repository: Repository  # with the paths of these files only
    licences: tuple[str, ...]  # the files beside or above these that may hold a licence
    languages: tuple[str, ...]


class Marks(TypedDict):
    """How a language is recognised."""

    ends: NotRequired[list[str]]
    names: NotRequired[list[str]]
    programs: NotRequired[list[str]]


class Shared(TypedDict):
    """A language that shares an ending, and what in a file tells that it is this one."""

    language: str
    pattern: str


class Catalogue(TypedDict):
    """code_languages.yaml."""

    code: dict[str, Marks]
    data: dict[str, Marks]
    shared: dict[str, list[Shared]]


def code(*, folder: LocalPath, languages: Sequence[str] = ()) -> list[Piece]:
    """One document for each source file of a folder, a git repository, a folder of repositories or a zip archive.

    The language comes from the name, the first line or, where languages share an ending, the content; `languages` names
    those to read (without it all programming languages; data and prose such as JSON or Markdown only when named). Of a
    git repository the files that it tracks are read. The licence is what the file says, else the nearest LICENSE or
    COPYING file. Blank files, links and files in no language are no rows; code that is no text is quarantined.
    """
    _check(languages)
    wanted = tuple(sorted(set(languages) or _catalogue()["code"]))
    root = Path(folder).resolve()
    repositories = _repositories(root) if root.is_dir() else [_archived(root)]
    pieces = [piece for found in repositories for piece in _pieces(root, found, wanted)]
    if not pieces:
        which = ", ".join(languages) or "a programming language"
        raise UserError(
            f"code: no file in {root.name} is in {which}.", "Look at folder:, or name others in languages:."
        )
    return pieces


def fingerprint(piece: Piece) -> str:
    """What identifies the content of a piece: its files, never where they lie."""
    own = piece.repository
    digest = hashlib.sha256(repr((own.name, own.inside, own.commit, piece.languages)).encode())
    with _opened(piece) as contents:
        for path in (*own.paths, *piece.licences):
            digest.update(hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest())
            digest.update(hashlib.sha256(contents(path)).digest())
    return f"{own.name}:{digest.hexdigest()}"


def read(piece: Piece) -> Iterator[Record]:
    """Yield the rows of a piece in the order of its paths; a file that is no text is one quarantined row."""
    with _opened(piece) as contents:
        licences: dict[str, list[str | None]] = {}
        for path in piece.licences:
            licences.setdefault(_folder(path), []).append(spdx(contents(path).decode("utf-8", "replace")))
        for path in piece.repository.paths:
            yield from _row(piece, path, contents, licences)


def language_of(name: str, content: bytes) -> str | None:
    r"""The language of a file by its name and, where that leaves it open, by what is in it; None if none is known.

    >>> language_of("a.py", b""), language_of("run", b"#!/usr/bin/env python3\n"), language_of("photo.png", b"")
    ('Python', 'Python', None)
    """
    ending = PurePosixPath(name).suffix.lower()
    for other in _catalogue()["shared"].get(ending, ()):
        if re.search(other["pattern"], content[:SHARED_BYTES].decode("utf-8", "replace")):
            return other["language"]
    if found := _table("names").get(name) or _table("ends").get(ending):
        return found
    called = None if ending else _SHEBANG.match(content)
    return _table("programs").get(re.sub(r"[\d.]+$", "", called.group(1).decode())) if called else None


def _row(
    piece: Piece, path: str, contents: Callable[[str], bytes], licences: Mapping[str, list[str | None]]
) -> Iterator[Record]:
    own = piece.repository
    uri = _shown(f"{Path(piece.root).name}/{own.inside}{path}")
    found = b""
    try:
        found = contents(path)
        language = language_of(PurePosixPath(path).name, found)
        if language not in piece.languages or not found.strip():
            return
        text = _decoded(found)
    except ARCHIVE_ERRORS as error:
        yield {"quarantine": {"uri": uri, "error": said(error), "raw": found[:HEAD]}}
        return
    licence = spdx(text[:HEADER_CHARACTERS]) or _nearest(path, licences)
    commit = {"commit": own.commit} if own.commit else {}
    yield {
        "key": _shown(f"{own.name}/{path}"),
        "text": text,
        "group": own.name,
        "uri": uri,
        **({"license": licence} if licence else {}),
        "meta": {"path": _shown(path), "language": language, "size": len(found), **commit},
    }


def _decoded(content: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    if b"\0" in content[:BINARY_BYTES]:
        raise ValueError("binary, though its name is that of code")
    named = _CODING.match(content[:BINARY_BYTES])
    try:
        return content.decode(re.sub("-(?:unix|dos|mac)$", "", named.group(1).decode()) if named else "utf-8")
    except LookupError:
        return content.decode()


def _nearest(path: str, licences: Mapping[str, list[str | None]]) -> str | None:
    """The licences in the nearest folder that has such a file; one that nobody knows is not passed over."""
    for folder in PurePosixPath(path).parents:
        if (found := licences.get(str(folder))) is not None:
            return all_of(licence for licence in found if licence)
    return None


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _shown(path: str) -> str:
    """A path as text, whatever bytes its name is made of."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def _opened(piece: Piece) -> Iterator[Callable[[str], bytes]]:
    """What gives the bytes of the piece's files."""
    root, inside = Path(piece.root), piece.repository.inside
    if root.is_dir():
        yield lambda path: (root / inside / path).read_bytes()
        return
    with ZipFile(root) as archive:
        yield lambda path: part(archive, inside + path)


def _pieces(root: Path, found: Repository, wanted: tuple[str, ...]) -> Iterator[Piece]:
    paths = [path for path in sorted(found.paths) if _may_be(PurePosixPath(path).name, wanted)]
    licences = [path for path in sorted(found.paths) if _may_hold_licence(PurePosixPath(path).name)]
    for start in range(0, len(paths), FILES_A_PIECE):
        chosen = tuple(paths[start : start + FILES_A_PIECE])
        above = {str(folder) for path in chosen for folder in PurePosixPath(path).parents}
        near_by = tuple(path for path in licences if _folder(path) in above)
        yield Piece(str(root), replace(found, paths=chosen), near_by, wanted)


def _may_be(name: str, wanted: Sequence[str]) -> bool:
    """Whether a file of this name can be in one of these languages."""
    ending = PurePosixPath(name).suffix.lower()
    by_name = _table("names").get(name) or _table("ends").get(ending)
    others = [other["language"] for other in _catalogue()["shared"].get(ending, ())]
    return (by_name is None and not ending) or any(language in wanted for language in (by_name, *others))


def _may_hold_licence(name: str) -> bool:
    """Whether a file is called LICENSE, COPYING or the like; license.py and licenses.json are not meant."""
    ending = PurePosixPath(name).suffix.lower()
    return bool(_LICENCE_FILE.fullmatch(name)) and _table("ends").get(ending, "Text") in PROSE


def _repositories(root: Path) -> list[Repository]:
    """The git repositories in a folder, and what lies outside them as one more."""
    found: list[Repository] = []
    loose: list[str] = []
    for here, folders, names in os.walk(root):
        folder = Path(here)
        below = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        if (folder / ".git").exists() and (tracked := _tracked(folder)):
            folders.clear()
            found.append(Repository(folder.name, below, *tracked))
            continue
        folders[:] = sorted(set(folders) - VERSIONS)
        loose += [below + name for name in names if _is_plain(folder / name)]
    return sorted([*found, Repository(root.name, "", None, tuple(loose))], key=lambda each: each.inside)


def _tracked(folder: Path) -> tuple[str | None, tuple[str, ...]] | None:
    """The commit and the tracked files of a git repository; None where git is missing or refuses to read it."""
    listed = _git(folder, "ls-files", "-z", "--recurse-submodules")
    if listed is None:
        return None
    paths = [os.fsdecode(path) for path in listed.split(b"\0") if path]
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    return commit.decode().strip() if commit else None, tuple(path for path in paths if _is_plain(folder / path))


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git answers; a repository that came from elsewhere cannot make it start programs."""
    settings = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(["git", *settings, *arguments], cwd=folder, env=clean, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _archived(root: Path) -> Repository:
    """The files of a zip archive; one folder around all of them is the repository, as in downloads of a repository."""
    try:
        with ZipFile(root) as archive:
            files = [info for info in archive.infolist() if not info.is_dir() and not _is_link(info)]
            comment = archive.comment.decode("ascii", "replace")
    except BadZipFile:
        hint = "Unpack it, and name the folder."
        raise UserError(f"code: {root.name} is neither a folder nor a zip archive.", hint) from None
    names = [info.filename for info in files if VERSIONS.isdisjoint(info.filename.split("/"))]
    tops = {name.partition("/")[0] for name in names if "/" in name}
    one = len(tops) == 1 and all("/" in name for name in names)
    name = tops.pop() if one else root.stem
    inside = f"{name}/" if one else ""
    commit = comment if _COMMIT.fullmatch(comment) else None  # where GitHub and `git archive` write it
    return Repository(name, inside, commit, tuple(name.removeprefix(inside) for name in names))


def _is_link(info: ZipInfo) -> bool:
    return S_ISLNK(info.external_attr >> 16)


def _check(languages: Sequence[str]) -> None:
    known = [*_catalogue()["code"], *_catalogue()["data"]]
    for name in languages:
        if name not in known:
            raise UserError(f"code: no language is called {name!r}.", near(name, known))


@cache
def _table(mark: Literal["ends", "names", "programs"]) -> dict[str, str]:
    """From an ending, a name or a program to the language."""
    every = {**_catalogue()["code"], **_catalogue()["data"]}
    return {each: language for language, marks in every.items() for each in marks.get(mark, ())}


@cache
def _catalogue() -> Catalogue:
    from ruamel.yaml import YAML

    text = resources.files(__package__).joinpath("code_languages.yaml").read_text(encoding="utf-8")
    return cast(Catalogue, YAML(typ="safe").load(text))
