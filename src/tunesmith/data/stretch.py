"""A stretch: sources or the rows of another dataset, then edits, signals and makers, in one pass over small batches.

Each piece of the input becomes one shard, written whole or not at all, so a killed run loses the pieces in flight.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import cast

import pyarrow as pa

from tunesmith.core.artifact import replacing, write_json
from tunesmith.core.errors import UserError
from tunesmith.core.executor import Executor
from tunesmith.core.record import Record
from tunesmith.core.registry import Named
from tunesmith.data.dataset import Dataset, shard_path, write_shard
from tunesmith.data.measure import apply
from tunesmith.data.op import Op
from tunesmith.data.rows import Ids, to_batch
from tunesmith.data.step import one_type_each

VERSION = 1
BATCH_ROWS = 1000
MOST_SHARDS = 64  # small pieces of a source share a shard
NAMED = ("group", "license", "date")  # columns of a row that may name its group


@dataclass(frozen=True)
class SourcePiece:
    """One piece of a source: what its reader takes, with the reader's parameters and what every row of it carries."""

    reader: Named
    piece: object
    parameters: Mapping[str, object]
    source: str
    domain: str | None = None
    license: str | None = None
    group: str | None = None  # the field of a row that names its group
    rows: int | None = None  # a rehearsal reads no more than this
    where: str = "source"  # in the recipe


@dataclass(frozen=True)
class DatasetPiece:
    """The kept rows of one shard of another dataset."""

    dataset: Dataset
    shard: int
    part: str | None = None


Piece = SourcePiece | DatasetPiece


@dataclass(frozen=True)
class Counts:
    """Where the records of a stretch went: read + made = written + dropped + quarantined."""

    read: int = 0
    made: int = 0
    written: int = 0
    quarantined: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    licenses: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.made + other.made,
            self.written + other.written,
            self.quarantined + other.quarantined,
            _sum(self.dropped, other.dropped),
            _sum(self.licenses, other.licenses),
            _sum(self.sources, other.sources),
        )


def _sum(one: Mapping[str, int], two: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(two)).items()))


@dataclass(frozen=True)
class Shard:
    """One task of a stretch: read its pieces, apply the operations, write the shard."""

    number: int
    pieces: tuple[Piece, ...]
    ops: tuple[Op, ...]
    out: Path

    def __call__(self) -> Counts:
        """Do it, unless its counts say that it is done."""
        done = self.out / "counts" / f"{self.number:05d}.json"
        if not done.exists():
            write_json(done, asdict(self._work()))
        return Counts(**json.loads(done.read_text("utf-8")))

    def _work(self) -> Counts:
        unread: list[Record] = []
        failed: list[Record] = []
        dropped: list[tuple[str, str, str]] = []
        batches, counts = [], Counts()
        for batch in _batches(self.pieces, unread):
            applied = apply(batch, self.ops)
            failed += applied.quarantined
            dropped += applied.dropped
            counts += Counts(read=batch.num_rows, made=applied.made, written=applied.batch.num_rows)
            batches.append(applied.batch)
        table = _concat(batches)
        write_shard(shard_path(self.out, self.number), table)
        _write_quarantine(self.out, self.number, [*unread, *failed])
        _write_dropped(self.out, self.number, dropped)
        gone = Counts(
            read=len(unread),
            quarantined=len(unread) + len(failed),
            dropped=Counter(f"{step}: {_kind_of_why(why)}" for _, step, why in dropped),
            licenses=_tally(table, "license"),
            sources=_tally(table, "source"),
        )
        return counts + gone


def _kind_of_why(why: str) -> str:
    """The reason without its numbers: "became 2 records" and "became 3 records" are one reason."""
    return "became another record" if why.startswith("became") else why


def _tally(table: pa.Table, column: str) -> dict[str, int]:
    if column not in table.column_names:
        return {"unknown": table.num_rows} if table.num_rows else {}
    return dict(sorted(Counter(value or "unknown" for value in table[column].to_pylist()).items()))


def _concat(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    filled = [table for table in tables if table.num_rows] or tables[:1]
    if not filled:
        return pa.table({"id": pa.array([], pa.string())})
    with one_type_each():
        return pa.concat_tables(filled, promote_options="permissive")


def _batches(pieces: Sequence[Piece], unread: list[Record]) -> Iterator[pa.RecordBatch]:
    ids = Ids()
    for piece in pieces:
        if isinstance(piece, DatasetPiece):
            columns = [name for name in piece.dataset.columns if name not in ("kept", "step", "why")]
            table = piece.dataset.read(piece.shard, columns, part=piece.part)
            yield from table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
            continue
        for rows in _batched(rows_of(piece)):
            batch, unfit = to_batch(rows, source=piece.source, domain=piece.domain, license=piece.license, ids=ids)
            unread += unfit
            yield batch


def _batched(rows: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def rows_of(piece: SourcePiece) -> Iterator[Record]:
    """The rows of a piece of a source, with their groups; no more than a rehearsal asks for."""
    try:
        yield from _grouped(islice(_read(piece), piece.rows), piece.group)
    except UserError as error:
        raise UserError(f"{piece.where}: {error.problem}", error.hint) from error


def _read(piece: SourcePiece) -> Iterator[Record]:
    read = getattr(piece.reader.module(), "read", None)
    if read is not None:  # the named function has planned the pieces, and `read` takes one
        return iter(cast(Iterable[Record], read(piece.piece)))
    arguments = [] if piece.piece is None else [piece.piece]
    return iter(cast(Iterable[Record], piece.reader.load()(*arguments, **piece.parameters)))


def _grouped(rows: Iterator[Record], name: str | None) -> Iterator[Record]:
    """The rows with the field of this name as their group; raises UserError if not one has it."""
    if name is None:
        yield from rows
        return
    fields: set[str] = set()
    seen = False
    for row in rows:
        meta = row.get("meta")
        given = {**(meta if isinstance(meta, Mapping) else {}), **{key: row[key] for key in NAMED if key in row}}
        fields |= set(map(str, given))
        seen |= "quarantine" not in row
        value = given.get(name)
        yield row if value is None else {**row, "group": str(value)}
    if seen and name not in fields:
        raise UserError(f"group: no row has {name!r}.", f"There: {', '.join(sorted(fields)) or 'nothing to group by'}.")


def _write_quarantine(out: Path, shard: int, rows: Sequence[Record]) -> None:
    if not rows:
        return
    with replacing(out / "quarantine" / f"{shard:05d}.jsonl") as temporary:
        lines = (json.dumps(row, ensure_ascii=True, sort_keys=True, default=_text_of) for row in rows)
        temporary.write_text("".join(line + "\n" for line in lines), "utf-8")


def _text_of(value: object) -> str:
    """Raw bytes as text that loses nothing: a byte that is not UTF-8 stands as its escape."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _write_dropped(out: Path, shard: int, rows: Sequence[tuple[str, str, str]]) -> None:
    if rows:
        ids, steps, whys = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
        write_shard(shard_path(out, shard, "dropped"), pa.table({"id": ids, "step": steps, "why": whys}))


def shards_of(pieces: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """The pieces of each shard: one, or several neighbours where there are more pieces than shards should be."""
    size = max(1, -(-len(pieces) // MOST_SHARDS))
    return [tuple(pieces[start : start + size]) for start in range(0, len(pieces), size)]


def run_stretch(
    pieces: Sequence[Piece], ops: Sequence[Op], out: Path, *, executor: Executor
) -> Iterator[tuple[int, int, Counts]]:
    """Write the shards; yields how many are done, of how many, and the counts of each, in order."""
    shards = shards_of(pieces)
    tasks = [Shard(number, some, tuple(ops), out) for number, some in enumerate(shards)]
    for done, counts in enumerate(executor.map(_call, tasks, lane="processes"), 1):
        yield done, len(shards), counts


def _call(shard: Shard) -> Counts:
    return shard()
