"""Files that a source reads: found by path or pattern, opened as bytes, decompressed by their suffix."""

from __future__ import annotations

import difflib
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from tunesmith.core.errors import UserError

PACKED = (".gz", ".zst")
UTF8_MARK = b"\xef\xbb\xbf"
READ_ERRORS = (EOFError, OSError, zlib.error)  # what a cut or damaged compressed file raises


@dataclass(frozen=True)
class File:
    """One file, or of a plain file the lines that begin in the bytes from `start` to before `end`."""

    path: str
    uri: str  # the path as it stands in origins and quarantine: relative to the recipe where possible
    start: int = 0
    end: int | None = None

    @property
    def name(self) -> str:
        """The file's name without the suffix of its compression."""
        return self.path.removesuffix(next((suffix for suffix in PACKED if self.path.endswith(suffix)), ""))

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed, so that it can only be read from its beginning."""
        return self.path.endswith(PACKED)


def open_bytes(file: File) -> BinaryIO:
    """The content as bytes, decompressed by suffix; a cut file raises one of READ_ERRORS at its end."""
    if file.path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(file.path, "rb"))
    if file.path.endswith(".zst"):
        # Arrow's reader, because that of zstandard takes the end of a cut file for its end
        return cast(BinaryIO, io.BufferedReader(pa.input_stream(file.path, compression="zstd")))
    return open(file.path, "rb")


@dataclass(frozen=True)
class Line:
    """One line as bytes, its number (None if reading began inside the file) and offset, or why reading ended."""

    raw: bytes
    number: int | None
    offset: int
    error: str = ""


def lines(file: File) -> Iterator[Line]:
    """The lines of a file, or of its range; a cut or damaged compressed file ends with a line that has an error."""
    with open_bytes(file) as stream:
        offset = _seek(file, stream)
        number = 0 if file.start == 0 else None
        try:
            for raw in stream:
                if file.end is not None and offset >= file.end:
                    return
                number = None if number is None else number + 1
                yield Line(raw.removeprefix(UTF8_MARK) if offset == 0 else raw, number, offset)
                offset += len(raw)
        except READ_ERRORS as error:
            yield Line(b"", None if number is None else number + 1, offset, f"the file is cut or damaged here: {error}")


def _seek(file: File, stream: BinaryIO) -> int:
    """Go to the first line that begins in the range; gives its offset."""
    if file.start == 0:
        return 0
    stream.seek(file.start - 1)
    return file.start - 1 + len(stream.readline())


def check_not_empty(file: File) -> None:
    """Raise UserError if the file has no content at all."""
    if Path(file.path).stat().st_size == 0:
        raise UserError(f"{file.uri}: the file is empty.", "Give a file with records in it, or leave it out of path:.")


def expand(paths: str | list[str], base: Path) -> list[File]:
    """The files that a path, a folder-wide pattern such as raw/*.jsonl, or several of them name; sorted by uri.

    Raises UserError, with near names, for whatever matches no file.
    """
    given = [paths] if isinstance(paths, str) else paths
    found = {os.path.abspath(path) for one in given for path in _matches(one, base)}
    return sorted((File(path, uri_of(path, base)) for path in found), key=lambda file: file.uri)


def uri_of(path: str, base: Path) -> str:
    """The path as it is reached from the base, so that it does not tell where the base lies."""
    return Path(os.path.relpath(path, base)).as_posix()


def _matches(given: str, base: Path) -> list[Path]:
    name = Path(given).expanduser()
    names = glob(str(name), root_dir=base, recursive=True) if has_magic(given) else [str(name)]
    files = [path for path in (base / name for name in names) if path.is_file()]
    if not files:
        raise _nothing(given, base / name, base)
    return files


def _nothing(given: str, whole: Path, base: Path) -> UserError:
    if has_magic(given):
        return UserError(f"path: no file matches {given!r} in {base}.", _near(whole))
    if whole.is_dir():
        return UserError(
            f"path: {given!r} is a folder.", f"Name its files with a pattern, such as {given.rstrip('/')}/*."
        )
    return UserError(f"path: the file {given!r} does not exist in {base}.", _near(whole))


def _near(whole: Path) -> str:
    folder = whole.parent
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    close = difflib.get_close_matches(whole.name, names, n=3)
    there = close or names[:8]
    return f"In {folder} there {'is' if len(there) == 1 else 'are'}: {', '.join(there) or 'no files'}."
