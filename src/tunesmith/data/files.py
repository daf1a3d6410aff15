"""Files that a source reads: found by path, folder, pattern or URL, opened as bytes, decompressed by their suffix."""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.data import urls
from tunesmith.data.packed import PACKED, unpacked

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
LINE_END = ord("\n")
HEAD_BYTES = 1024
BLOCK_BYTES = 1 << 17  # of lines read together
READ_ERRORS = (EOFError, OSError)  # what a cut or damaged compressed file raises
EMPTY = "the file is empty"
UTF16 = "the file is UTF-16, not UTF-8"


@dataclass(frozen=True)
class File:
    """One file, or the part of it that a source's `split` cut out: bytes `start` to `end`, or row groups of Parquet."""

    path: str  # absolute, or a URL
    uri: str  # the path as it stands in origins and quarantine: relative to the recipe where possible
    start: int = 0
    end: int | None = None
    lines_before: int | None = None  # `start`, where they were counted

    @property
    def name(self) -> str:
        """The file's name without the suffix of its compression."""
        return _unpacked(self.path)

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed, so that it can only be read from its beginning."""
        return self.path.endswith(PACKED)

    @property
    def whole(self) -> File:
        """The file that this is a part of."""
        return File(self.path, self.uri)


def open_bytes(file: File) -> BinaryIO:
    """The content as bytes, decompressed by suffix; a cut file raises one of READ_ERRORS at its end.

    Raises UserError if a file that was there when the run began is gone, or a URL cannot be read.
    """
    raw = urls.opened(file.path) if urls.is_url(file.path) else _opened(file)
    suffix = os.path.splitext(file.path)[1]
    return unpacked(raw, suffix) if suffix in PACKED else raw


def size_of(file: File) -> int | None:
    """How many bytes the whole file has where it lies; None where its filesystem does not tell."""
    if urls.is_url(file.path):
        return urls.size_of(file.path)
    try:
        return os.stat(file.path).st_size
    except FileNotFoundError:
        raise _gone(file) from None


def _opened(file: File) -> BinaryIO:
    try:
        return open(file.path, "rb")
    except FileNotFoundError:
        raise _gone(file) from None
    except OSError as error:
        raise UserError(f"{file.uri}: cannot be opened: {error.strerror}.", "May you read it?") from error


def _gone(file: File) -> UserError:
    # no quarantine: the dataset's KEY already says that this content is in it
    return UserError(f"{file.uri}: the file was there when the run began and is gone.", "Put it back and run again.")


@dataclass(frozen=True)
class Block:
    """Whole lines as bytes, the number of the first (None if not known) and its offset, or why there are no more."""

    raw: bytes
    number: int | None
    offset: int
    error: str = ""


Line = Block  # one line


def lines(file: File) -> Iterator[Line]:
    """The lines of a file, or those that begin in its range.

    A file that is empty or in UTF-16 gives one line with an error; a cut or damaged one ends with such a line.
    """
    return (line for block in blocks(file) for line in lines_of(block))


def lines_of(block: Block) -> Iterator[Line]:
    """The lines of a block; one that has an error is its own."""
    if block.error:
        yield block
        return
    number, offset = block.number, block.offset
    for raw in io.BytesIO(block.raw):
        yield Line(raw.removeprefix(UTF8_MARK) if offset == 0 else raw, number, offset)
        number = None if number is None else number + 1
        offset += len(raw)


def blocks(file: File, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The lines of a file in blocks of about `size` bytes; what `lines` says of errors holds for them."""
    with open_bytes(file) as stream:
        offset, number = 0, 1 if file.start == 0 else file.lines_before and file.lines_before + 1
        try:
            offset = _seek(file, stream)
            for raw in _whole_lines(stream, size, None if file.end is None else file.end - offset):
                if offset == 0 and is_utf16(raw):
                    yield Block(raw[:HEAD_BYTES], 1, 0, UTF16)
                    return
                yield Block(raw, number, offset)
                offset += len(raw)
                number = (
                    None if number is None else number + int(np.count_nonzero(np.frombuffer(raw, np.uint8) == LINE_END))
                )
        except READ_ERRORS as error:
            yield Block(b"", number, offset, damaged(error))
        else:
            if offset == 0 and file.end != 0:
                yield Block(b"", 1, 0, EMPTY)


def _whole_lines(stream: BinaryIO, size: int, left: int | None) -> Iterator[bytes]:
    """The next bytes, so many as are left (all without that), in blocks of whole lines; the last may have to be longer.

    What stands before a fault is given before it is raised, but for the line that it cuts.
    """
    waiting: list[bytes] = []
    fault: BaseException | None = None
    held = 0
    while fault is None and (left is None or left > 0):
        most = size if left is None else min(size, left)
        try:
            raw = cast(io.BufferedReader, stream).read1(most)
        except READ_ERRORS as error:
            fault = error
            continue
        if not raw:
            break
        left = None if left is None else left - len(raw)
        held += len(raw)
        cut = raw.rfind(b"\n") + 1 if held >= size else 0
        if cut:
            whole = b"".join([*waiting, raw[:cut]])
            waiting, held = [], len(raw) - cut  # before it goes on: a block of one long line is large
            yield whole
            del whole
        waiting.append(raw[cut:])
    rest = b"".join(waiting)
    waiting.clear()
    if fault is not None:
        rest = rest[: rest.rfind(b"\n") + 1]
    elif left is not None and rest and not rest.endswith(b"\n"):
        rest += stream.readline()
    if rest:
        yield rest
    if fault is not None:
        raise fault


def damaged(error: BaseException) -> str:
    """What quarantine says of a compressed file whose content ends in one of READ_ERRORS."""
    return f"the file is cut or damaged here: {error}"


def is_utf16(head: bytes) -> bool:
    """Whether the first bytes of a file are UTF-16: by its mark, or by every second byte being zero."""
    head = head[:HEAD_BYTES]
    if head.startswith(UTF16_MARKS):
        return True
    zeros = max(head[0::2].count(0), head[1::2].count(0))
    return zeros > 1 and zeros * 10 > len(head) * 4


def _seek(file: File, stream: BinaryIO) -> int:
    """Go to the first line that begins in the range; gives its offset."""
    if file.start == 0:
        return 0
    stream.seek(file.start - 1)
    return file.start - 1 + len(stream.readline())


def expand(paths: str | list[str], base: Path, suffixes: Sequence[str] = urls.ANY) -> list[File]:
    """The files that a path, a pattern such as raw/*.jsonl, a folder, a URL, or several of them name; sorted by uri.

    Of a folder, those below it whose names end in one of the suffixes, compressed or not; a source that reads no
    folders has none. Raises UserError, with near names, for whatever names no file.
    """
    given = [paths] if isinstance(paths, str) else paths
    found: dict[str, File] = {}
    for one in given:
        local = urls.local_path(one)
        if local is None:
            found |= {url: File(url, url) for url in urls.expand(one, tuple(suffixes))}
        else:
            matched = (os.path.abspath(path) for path in _matches(local, base, tuple(suffixes)))
            found |= {path: File(path, uri_of(path, base)) for path in matched}
    return sorted(found.values(), key=lambda file: file.uri)


def uri_of(path: str, base: Path) -> str:
    """The path as it is reached from the base, so that it does not tell where the base lies."""
    return Path(os.path.relpath(path, base)).as_posix()


def _unpacked(name: str) -> str:
    return name.removesuffix(next((suffix for suffix in PACKED if name.endswith(suffix)), ""))


def _matches(given: str, base: Path, suffixes: tuple[str, ...]) -> list[Path]:
    name = Path(given).expanduser()
    whole = base / name
    if whole.is_dir() and suffixes:
        files = [path for path in whole.rglob("*") if urls.ends_in(path.name, suffixes) and path.is_file()]
    else:
        names = glob(str(name), root_dir=base, recursive=True) if has_magic(given) else [str(name)]
        files = [path for path in (base / name for name in names) if path.is_file()]
    if not files:
        raise _nothing(given, whole, base, suffixes)
    return files


def _nothing(given: str, whole: Path, base: Path, suffixes: tuple[str, ...]) -> UserError:
    if whole.is_dir() and suffixes:
        return UserError(f"path: the folder {given!r} has no {' or '.join(suffixes)} file in it.", _near(whole / "*"))
    if whole.is_dir():
        return UserError(
            f"path: {given!r} is a folder.", f"Name its files with a pattern, such as {given.rstrip('/')}/*."
        )
    if has_magic(given):
        return UserError(f"path: no file matches {given!r} in {base}.", _near(whole))
    return UserError(f"path: the file {given!r} does not exist in {base}.", _near(whole))


def _near(whole: Path) -> str:
    folder = whole.parent
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    close = difflib.get_close_matches(whole.name, names, n=3)
    there = close or names[:8]
    return f"In {folder} there {'is' if len(there) == 1 else 'are'}: {', '.join(there) or 'no files'}."
