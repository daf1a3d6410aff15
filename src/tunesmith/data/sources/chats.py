"""Chat logs and instruction data in the formats that are in use; which one it is, the file's first rows tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import BufferedReader
from itertools import islice
from typing import Literal, cast

import orjson
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import Record
from tunesmith.data.cuts import cut_lines
from tunesmith.data.files import HEAD_BYTES, READ_ERRORS, UTF8_MARK, File, damaged, lines, open_bytes
from tunesmith.data.rows import as_raw
from tunesmith.data.sources import parquet
from tunesmith.data.sources._fields import key_text
from tunesmith.data.sources._formats import FORMATS, OTHER, Format
from tunesmith.data.sources._whole import quarantined

VERSION = 2
SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
FIRST_ROWS = 100
READ_BYTES = 1 << 20
NO_OBJECT = "no JSON object, as a row is"
BETWEEN = re.compile(r"[\s,]*")
Name = Literal[
    "auto",
    "openai_preference",
    "preference",
    "messages",
    "sharegpt",
    "alpaca",
    "unpaired_preference",
    "prompt_completion",
]
BY_NAME = {one.name: one for one in FORMATS}


@dataclass(frozen=True)
class Recognised:
    """The format that a file is in, and what tells so."""

    format: str
    why: str


def chats(file: File, *, format: Name = "auto", id: str | None = None) -> Iterator[Record]:
    """Conversations and preference pairs from JSON lines, a JSON array or Parquet, in whichever known format they are.

    Known are OpenAI's messages (with tools) and preferences, ShareGPT's conversations, Alpaca's instruction, input and
    output, prompt and completion (and a label, true where it is a good one), and prompt, chosen and rejected. The
    format of each record stands in its meta; `id` names the field of the row's own key. Rows in another format are
    quarantined with what they lack. Raises UserError, with the nearest formats and the row that failed, if the first
    rows are in none.
    """
    chosen = BY_NAME[recognised(file.whole).format if format == "auto" else format]
    for found in _rows(file):
        if isinstance(found.value, str):
            yield quarantined(file, found.value, found.raw, line=found.line, offset=found.offset)
        else:
            yield _record(file, found, found.value, chosen, id)


def split(file: File, size: int, **_: object) -> list[File]:
    """Parts of a large file: lines of JSON lines, row groups of Parquet; a JSON array stays whole."""
    if file.name.endswith(".parquet"):
        return parquet.split(file, size)
    return [file] if file.name.endswith(".json") else cut_lines(file, size)


def recognised(file: File) -> Recognised:
    """The format that most of the first 100 rows of a file are in; raises UserError if there is none."""
    rows = [found for found in islice(_rows(file), FIRST_ROWS) if isinstance(found.value, dict)]
    if not rows:
        return Recognised(FORMATS[0].name, "there is no row to tell it by")
    faults = {one.name: [_fault(found, one) for found in rows] for one in FORMATS}
    fits = {name: found.count("") for name, found in faults.items()}
    best = max(FORMATS, key=lambda one: fits[one.name])  # of equals, the first
    if 2 * fits[best.name] < len(rows):
        raise _none(file, rows, faults)
    return Recognised(best.name, f"{fits[best.name]} of the first {len(rows)} rows have {best.looks}")


@dataclass(frozen=True)
class _Found:
    """A row, or why it is none, and where it stands."""

    value: dict[str, object] | str
    raw: bytes
    line: int | None
    offset: int | None


def _record(file: File, found: _Found, row: Mapping[str, object], format: Format, id: str | None) -> Record:
    try:
        if id and row.get(id) is None:
            raise ValueError(f"no {id!r}")
        content = format.read(row)
    except ValueError as error:
        problem = f"not as {format.name} wants it: {error}"
        return quarantined(file, problem, found.raw or as_raw(row).encode(), line=found.line, offset=found.offset)
    used = {*format.needs, *format.also, *OTHER}
    meta = {"format": format.name, **{name: value for name, value in row.items() if name not in used}}
    key = {"key": key_text(row[id])} if id else {}
    place = {"uri": file.uri, "line": found.line, "offset": found.offset}
    return {**{name: row[name] for name in OTHER if name in row}, **content, "meta": meta, **key, **place}


def _fault(found: _Found, format: Format) -> str:
    try:
        format.read(cast(Mapping[str, object], found.value))
    except ValueError as error:
        return str(error)
    return ""


def _none(file: File, rows: Sequence[_Found], faults: Mapping[str, Sequence[str]]) -> UserError:
    """What to say of a file in no known format: the three nearest, each with the first row that it does not fit."""
    names = cast(Mapping[str, object], rows[0].value).keys()
    near = sorted(FORMATS, key=lambda one: (-faults[one.name].count(""), -_likeness(one, names)))[:3]
    told = []
    for one in near:
        number = next(place for place, fault in enumerate(faults[one.name]) if fault)
        told.append(f"{one.name} ({one.looks}): line {rows[number].line}: {faults[one.name][number]}")
    hint = f"The fields of its first row: {', '.join(names) or 'none'}. Rename them, or use the source jsonl."
    return UserError(f"{file.uri}: its rows are in no known format. The nearest:\n  " + "\n  ".join(told), hint)


def _likeness(format: Format, names: Iterable[str]) -> float:
    """How like the fields that a format needs are to those of a row, 0 to 1."""
    best = [max((SequenceMatcher(None, need, name).ratio() for name in names), default=0.0) for need in format.needs]
    return sum(best) / len(best)


def _rows(file: File) -> Iterator[_Found]:
    if file.name.endswith(".parquet"):
        return _of_tables(file)
    return _of_array(file) if file.name.endswith(".json") and _begins_array(file) else _of_lines(file)


def _of_lines(file: File) -> Iterator[_Found]:
    for line in lines(file):
        if line.error or line.raw.strip():
            yield _Found(line.error or _object(line.raw), line.raw, line.number, line.offset)


def _object(raw: bytes) -> dict[str, object] | str:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return str(error)
    return value if isinstance(value, dict) else NO_OBJECT


def _of_tables(file: File) -> Iterator[_Found]:
    for before, item in parquet.tables(file):
        if not isinstance(item, pa.RecordBatch):
            told = cast(Mapping[str, object], item["quarantine"])
            yield _Found(str(told["error"]), b"", cast("int | None", told["line"]), None)
            continue
        for number, row in enumerate(item.to_pylist(), before + 1):
            yield _Found(row, b"", number, None)


def _begins_array(file: File) -> bool:
    with open_bytes(file) as stream:
        try:
            return stream.read(HEAD_BYTES).removeprefix(UTF8_MARK).lstrip().startswith(b"[")
        except READ_ERRORS:
            return False  # whoever reads it is told


def _of_array(file: File) -> Iterator[_Found]:
    """The elements of a JSON array, one after another, so that all before a fault are read."""
    data, error = _content(file)
    text = data.decode("utf-8", "surrogateescape")  # what is not UTF-8 costs its row
    decoder = json.JSONDecoder()
    here = text.index("[") + 1
    line, offset, last = 1, 0, 0
    while True:
        here = BETWEEN.match(text, here).end()  # type: ignore[union-attr]  # it matches nothing too
        line, offset = line + text.count("\n", last, here), offset + _size(text[last:here])
        if text[here : here + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, here)
        except (ValueError, RecursionError) as fault:
            yield _Found(
                error or f"the array cannot be read on: {fault}", data[offset : offset + HEAD_BYTES], line, offset
            )
            return
        raw = text[here:end].encode("utf-8", "surrogateescape")
        yield _Found(value if isinstance(value, dict) else NO_OBJECT, raw, line, offset)
        last, here = here, end


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def _content(file: File) -> tuple[bytes, str]:
    """All of a file that can be read, and why there is no more."""
    data = bytearray()
    with open_bytes(file) as stream:
        try:
            while block := cast(BufferedReader, stream).read1(READ_BYTES):  # what stands before a fault
                data += block
        except READ_ERRORS as error:
            return bytes(data), damaged(error)
    return bytes(data), ""
