"""The items of benchmarks: every text of every row of their files, each with the place where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath

import orjson
import pyarrow as pa

from tunesmith.core.errors import UserError
from tunesmith.core.record import Where
from tunesmith.data.files import READ_ERRORS, File, damaged, lines, open_bytes
from tunesmith.data.sources import parquet
from tunesmith.data.stream import Stream
from tunesmith.data.texts import NEEDED, texts_of

# How items are compared, where a recipe says nothing.
N_OF_DOCUMENTS = 13  # as GPT-3 has it (arXiv 2005.14165, appendix C)
N_OF_CONVERSATIONS = 8  # as Tülu 3 has it (arXiv 2411.15124)
SHORTEST = 5  # words; in 16,372 documents, 7,580 short items stood as most of a line 11 times with 4, 6 times with 5
COMMON = 10

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".md")
PARTS: tuple[Where, ...] = ("text", "prompt", "answer", "chosen", "rejected")  # of another list's rows: each is an item

Row = Mapping[str, object]


@dataclass(frozen=True)
class Item:
    """One text of a benchmark: whose it is, the row that it stands in, and the field of it."""

    benchmark: str
    row: str  # a line of a file, or the id of a record
    field: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, as people read it."""
        return f"{self.benchmark}:{self.row} {self.field}".strip()


def items_of(against: Sequence[str] | Stream, fields: Sequence[str] | None = None) -> list[Item]:
    """The items of these files (patterns too), or of another list; raises UserError for what cannot be read.

    Without `fields`, every text of a row is an item, those in lists and mappings joined by line ends.
    """
    items = list(_of_list(against, fields)) if isinstance(against, Stream) else list(_of_files(against, fields))
    if not items:
        given = f" in {', '.join(fields)}" if fields else ""
        raise UserError(f"contamination: the benchmark has no text{given}.", "Name others with against: and fields:.")
    return items


def _of_list(against: Stream, fields: Sequence[str] | None) -> Iterator[Item]:
    if unknown := [name for name in fields or () if name not in PARTS]:
        raise UserError(
            f"contamination: rows of a list have no field {unknown[0]!r}.", f"They have {', '.join(PARTS)}."
        )
    parts = [part for part in PARTS if fields is None or part in fields]
    for shard in against.shards:
        rows = against.read(shard, ["id", "source", *NEEDED])
        texts = {part: texts_of(rows, part).to_pylist() for part in parts}
        for number, (name, source) in enumerate(zip(rows["id"].to_pylist(), rows["source"].to_pylist(), strict=True)):
            for part, column in texts.items():
                if column[number]:
                    yield Item(source, name, part, column[number])


def _of_files(patterns: Sequence[str], fields: Sequence[str] | None) -> Iterator[Item]:
    paths = sorted({path for pattern in patterns for path in _matching(pattern)})
    for name, path in zip(_names(paths), paths, strict=True):
        known: dict[str, None] = {}
        found = False
        for number, row in _rows(File(str(path), name)):
            known |= dict.fromkeys(row)
            for field in row if fields is None else fields:
                if text := _text(row.get(field)):
                    found = True
                    yield Item(name, str(number), field, text)
        if not found:
            wanted = f" in {', '.join(fields)}" if fields else ""
            raise UserError(f"{name}: the benchmark has no text{wanted}.", f"Its fields: {', '.join(known) or 'none'}.")


def _matching(pattern: str) -> list[Path]:
    found = [Path(path) for path in glob(pattern, recursive=True)] if has_magic(pattern) else [Path(pattern)]
    files = [path for path in found if path.is_file()]
    if not files:
        raise UserError(f"contamination: against: {PurePath(pattern).name!r} names no file.", "Check the path.")
    return files


def _names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart, so that no name says where the files lie."""
    parts = max((len(path.parts) for path in paths), default=1)
    for depth in range(1, parts + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _rows(file: File) -> Iterator[tuple[int, Row]]:
    """The rows of a file by its suffix, with their numbers; raises UserError, with the line, where it is damaged."""
    suffix = PurePath(file.name).suffix
    try:
        if suffix in (".csv", ".tsv"):
            yield from _of_csv(file, "\t" if suffix == ".tsv" else ",")
        elif suffix == ".parquet":
            yield from _of_parquet(file)
        elif suffix == ".json":
            yield from enumerate(_objects(file, orjson.loads(_content(file))), 1)
        elif suffix in SUFFIXES:
            yield from _of_lines(file, is_json=suffix in (".jsonl", ".ndjson"))
        else:
            raise UserError(f"{file.uri}: no benchmark is read from {suffix or 'such a file'}.", _hint())
    except (*READ_ERRORS, UnicodeDecodeError, csv.Error, orjson.JSONDecodeError) as error:
        raise UserError(f"{file.uri}: the benchmark cannot be read: {damaged(error)}", _hint()) from error


def _hint() -> str:
    return f"Benchmarks are {', '.join(SUFFIXES)}, plain or compressed."


def _of_lines(file: File, *, is_json: bool) -> Iterator[tuple[int, Row]]:
    for line in lines(file):
        if line.error:
            raise UserError(f"{file.uri}: the benchmark cannot be read: {line.error}.", _hint())
        if line.raw.strip():
            try:
                value = orjson.loads(line.raw) if is_json else {"text": line.raw.decode()}
            except ValueError as error:  # no JSON, or no UTF-8
                raise UserError(f"{file.uri}:{line.number}: the line cannot be read: {error}.", _hint()) from error
            yield from ((line.number or 0, row) for row in _objects(file, [value]))


def _objects(file: File, given: object) -> Iterator[Row]:
    rows = given if isinstance(given, list) else [given]
    for row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{file.uri}: a {type(row).__name__} where a JSON object belongs.", _hint())
        yield row


def _content(file: File) -> bytes:
    with open_bytes(file) as stream:
        return stream.read()


def _of_csv(file: File, delimiter: str) -> Iterator[tuple[int, Row]]:
    text = io.StringIO(_content(file).decode("utf-8-sig"), newline="")
    reader = csv.DictReader(text, delimiter=delimiter, strict=True)
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if name}


def _of_parquet(file: File) -> Iterator[tuple[int, Row]]:
    for before, batch in parquet.tables(file):
        if not isinstance(batch, pa.RecordBatch):
            raise UserError(f"{file.uri}: the benchmark cannot be read: {batch['quarantine']}.", _hint())
        yield from enumerate(batch.to_pylist(), before + 1)


def _text(value: object) -> str:
    """The text of a value; of a list or mapping the texts in it, a line each."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [inner for name, inner in value.items() if name != "role"]
    return "\n".join(filter(None, map(_text, value))) if isinstance(value, list | tuple) else ""
