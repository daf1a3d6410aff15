"""Plain text and Markdown, files or folders of them: one document a file, a paragraph or a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tunesmith.core.record import Record
from tunesmith.data.cuts import cut_lines
from tunesmith.data.files import File, Line, lines
from tunesmith.data.sources._whole import quarantined

VERSION = 1
SUFFIXES = (".txt", ".md", ".markdown", ".rst")
Unit = Literal["file", "paragraph", "line"]


def text(file: File, *, unit: Unit = "file") -> Iterator[Record]:
    """One document for each file, each paragraph (between blank lines) or each line that is not blank.

    What is not UTF-8 is quarantined: with `unit: file` the whole file. So is a file of nothing but white space.
    """
    found = file.start > 0
    for part in _parts(file, unit):
        found = True
        yield _document(file, part)
    if not found:
        yield quarantined(file, "the file holds nothing but white space", line=1, offset=0)


def split(file: File, size: int, *, unit: Unit = "file") -> list[File]:
    """Parts of a large file that begin on lines or paragraphs; a document that is a file stays whole."""
    if unit == "file":
        return [file]
    return cut_lines(file, size, ends=_is_blank if unit == "paragraph" else None)


def _is_blank(line: bytes) -> bool:
    return not line.strip()


def _parts(file: File, unit: str) -> Iterator[Line]:
    waiting: list[Line] = []
    for line in lines(file):
        blank = _is_blank(line.raw) and not line.error
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
    place = {"line": part.number, "offset": part.offset}
    try:
        content = part.raw.decode()
    except UnicodeDecodeError as error:
        return quarantined(file, part.error or f"not UTF-8 at byte {part.offset + error.start}", part.raw, **place)
    if part.error:
        return quarantined(file, part.error, part.raw, **place)
    return {"text": content.strip("\r\n"), "uri": file.uri, **place}
