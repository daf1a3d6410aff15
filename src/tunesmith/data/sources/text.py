"""Plain text files: one document a file, a paragraph or a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.files import File, Line, check_not_empty, lines

VERSION = 1


def text(file: File, *, unit: Literal["file", "paragraph", "line"] = "file") -> Iterator[Record]:
    """One document for each file, each paragraph (between blank lines) or each line that is not blank.

    What is not UTF-8 is quarantined: with `unit: file` the whole file.
    """
    check_not_empty(file)
    found = False
    for part in _parts(file, unit):
        found = True
        yield _document(file, part)
    if not found:
        raise UserError(f"{file.uri}: the file holds nothing but white space.", "Leave it out of path:.")


def _parts(file: File, unit: str) -> Iterator[Line]:
    waiting: list[Line] = []
    for line in lines(file):
        blank = not line.raw.strip() and not line.error
        if line.error or unit == "line" or (unit == "paragraph" and blank):
            yield from _joined(waiting)
            waiting = []
        if line.error or (unit == "line" and not blank):
            yield line
        elif unit == "file" or (unit == "paragraph" and not blank):
            waiting.append(line)
    yield from _joined(waiting)


def _joined(waiting: list[Line]) -> list[Line]:
    raw = b"".join(line.raw for line in waiting)
    return [Line(raw, waiting[0].number, waiting[0].offset)] if raw.strip() else []


def _document(file: File, part: Line) -> Record:
    place = {"uri": file.uri, "line": part.number, "offset": part.offset}
    try:
        content = part.raw.decode()
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {part.offset + error.start}"
        return {"quarantine": {**place, "error": problem, "raw": part.raw}}
    if part.error:
        return {"quarantine": {**place, "error": part.error, "raw": part.raw}}
    return {"text": content.strip("\r\n"), **place}
