"""A stretch: sources or the rows of another dataset, then edits, signals and makers, in one pass over small batches.

Some pieces of the input are one task. It writes parts of about SHARD_BYTES, so memory stays small however large a file
is, and says that it is done when all are there: a killed run loses the tasks in flight. `settle.number_shards` gives
the parts their places in the dataset.
"""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from tunesmith.data.ask import parameters_of, records_of
from tunesmith.data.clock import Clock
from tunesmith.data.dataset import Dataset, shard_path, write_shard
from tunesmith.data.measure import apply
from tunesmith.data.op import Op
from tunesmith.data.removed import REASON, without_erased
from tunesmith.data.rows import columnar_batch, to_batch
from tunesmith.data.step import one_type_each

VERSION = 2
BATCH_ROWS = 1000
BATCH_BYTES = 8 << 20  # of text in a batch: long documents make short batches
SHARD_BYTES = 32 << 20  # of Arrow data in a shard
TASK_BYTES = 16 << 20  # of input in a task: small files share one
MOST_TASKS = 64  # where the size of the input is not known
NAMED = ("group", "license", "date")  # columns of a row that may name its group
READ, WRITE = "read", "write"  # what takes time beside the operators


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
    size: int | None = None  # bytes, where it is known


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
    shards: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    licenses: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        both = {name: _sum(value, getattr(other, name)) for name, value in vars(self).items()}
        return Counts(**both)  # type: ignore[arg-type]  # each field keeps its type


def _sum(one: object, two: object) -> object:
    if isinstance(one, int):
        return one + cast(int, two)
    return dict(sorted((Counter(cast(Mapping[str, int], one)) + Counter(cast(Mapping[str, int], two))).items()))


@dataclass(frozen=True)
class Task:
    """Some pieces of the input: read them, apply the operations, write their parts."""

    number: int
    pieces: tuple[Piece, ...]
    ops: tuple[Op, ...]
    out: Path
    erased: frozenset[str] = frozenset()  # hashes of ids that nothing may be kept of

    def __call__(self) -> tuple[Counts, dict[str, float]]:
        """Do it, unless its counts say that it is done; gives them, and the seconds by operator."""
        done = self.out / "counts" / f"{self.number:05d}.json"
        if done.exists():
            return Counts(**json.loads(done.read_text("utf-8"))), {}
        clock = Clock()
        counts = self._work(clock)
        write_json(done, asdict(counts))
        return counts, dict(clock.seconds)

    def _work(self, clock: Clock) -> Counts:
        parts = _Parts(self.out, self.number, clock)
        counts, erased = Counts(), 0
        with _quarantine(self.out, self.number) as aside:
            for batch in clock.each(READ, _batches(self.pieces, aside)):
                given = without_erased(batch, self.erased)
                applied = apply(given, self.ops, clock.of)
                rows = without_erased(applied.batch, self.erased)
                erased += batch.num_rows - given.num_rows + applied.batch.num_rows - rows.num_rows
                aside.add(applied.quarantined)
                parts.add(rows)
                parts.dropped += applied.dropped
                counts += Counts(read=batch.num_rows, made=applied.made, written=rows.num_rows)
        parts.close()
        dropped = Counter(f"{step}: {kind_of_why(why)}" for _, step, why in parts.dropped)
        dropped[REASON] += erased
        gone = Counts(
            read=aside.unread,
            quarantined=aside.count,
            shards=parts.count,
            dropped=+dropped,
            licenses=dict(parts.tallies["license"]),
            sources=dict(parts.tallies["source"]),
        )
        return counts + gone


def kind_of_why(why: str) -> str:
    """The reason without its numbers: "became 2 records" and "became 3 records" are one reason."""
    return "became another record" if why.startswith("became") else why


def part_path(out: Path, task: int, part: int) -> Path:
    """Where a part of a task lies until all parts are there."""
    return out / "parts" / f"{task:05d}-{part:05d}.parquet"


@dataclass
class _Parts:
    """Batches waiting to be written, and what is known of those that were."""

    out: Path
    task: int
    clock: Clock
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    size: int = 0
    count: int = 0
    dropped: list[tuple[str, str, str]] = field(default_factory=list)
    tallies: dict[str, Counter[str]] = field(default_factory=lambda: {"license": Counter(), "source": Counter()})

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch; write a part when enough have come."""
        self.waiting.append(batch)
        self.size += batch.nbytes
        if self.size >= SHARD_BYTES:
            self._write()

    def close(self) -> None:
        """Write what is left; a task without rows has one empty part."""
        if self.size or not self.count:
            self._write()
        if self.dropped:
            ids, steps, whys = (pa.array(column, pa.string()) for column in zip(*self.dropped, strict=True))
            table = pa.table({"id": ids, "step": steps, "why": whys})
            write_shard(shard_path(self.out, self.task, "dropped"), table)

    def _write(self) -> None:
        table = _concat(self.waiting)
        for column, tally in self.tallies.items():
            tally.update(_tally(table, column))
        with self.clock.of(WRITE):
            write_shard(part_path(self.out, self.task, self.count), table)
        self.waiting, self.size, self.count = [], 0, self.count + 1
        gc.collect()  # a worker makes few objects, so it seldom collects: cycles would hold the batches of many parts
        pa.default_memory_pool().release_unused()


def _tally(table: pa.Table, column: str) -> dict[str, int]:
    if column not in table.column_names:
        return {"unknown": table.num_rows} if table.num_rows else {}
    pairs = table[column].value_counts().to_pylist()
    return {str(pair["values"] or "unknown"): pair["counts"] for pair in pairs}


def _concat(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    filled = [table for table in tables if table.num_rows] or tables[:1]
    if not filled:
        return pa.table({"id": pa.array([], pa.string())})
    with one_type_each():
        return pa.concat_tables(filled, promote_options="permissive")


@dataclass
class _Aside:
    """The quarantine of a task: a file that is there only if something is in it."""

    path: Path
    unread: int = 0  # of those, the ones that never became a row
    count: int = 0

    def add(self, rows: Sequence[Record]) -> None:
        """Put rows aside, with whatever is known about them."""
        if not rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=True, sort_keys=True, default=_text_of) + "\n")
        self.count += len(rows)

    def add_unread(self, rows: Sequence[Record]) -> None:
        """Put aside what could not be read."""
        self.unread += len(rows)
        self.add(rows)


@contextmanager
def _quarantine(out: Path, task: int) -> Iterator[_Aside]:
    with replacing(out / "quarantine" / f"{task:05d}.jsonl", optional=True) as temporary:
        yield _Aside(temporary)


def _text_of(value: object) -> str:
    """Raw bytes as text that loses nothing: a byte that is not UTF-8 stands as its escape."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _batches(pieces: Sequence[Piece], aside: _Aside) -> Iterator[pa.RecordBatch]:
    for piece in pieces:
        if isinstance(piece, DatasetPiece):
            columns = [name for name in piece.dataset.columns if name not in ("kept", "step", "why")]
            table = piece.dataset.read(piece.shard, columns, part=piece.part)
            yield from table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
            continue
        for rows in _batched(rows_of(piece)):
            source, domain, licence = piece.source, piece.domain, piece.license
            if isinstance(rows, pa.RecordBatch):
                batch, unfit = columnar_batch(rows, source=source, domain=domain, license=licence)
            else:
                batch, unfit = to_batch(rows, source=source, domain=domain, license=licence)
            aside.add_unread(unfit)
            yield batch


def _batched(rows: Iterable[Record | pa.RecordBatch]) -> Iterator[list[Record] | pa.RecordBatch]:
    """Rows in lists of BATCH_ROWS or about BATCH_BYTES; batches that a fast reader gives pass through."""
    waiting: list[Record] = []
    size = 0
    for row in rows:
        if isinstance(row, pa.RecordBatch):
            if waiting:
                yield waiting
            yield row
            waiting, size = [], 0
            continue
        waiting.append(row)
        size += len(text) if isinstance(text := row.get("text"), str) else 0
        if len(waiting) == BATCH_ROWS or size >= BATCH_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def rows_of(piece: SourcePiece) -> Iterator[Record | pa.RecordBatch]:
    """The rows of a piece of a source, with their groups; no more than a rehearsal asks for."""
    items = _read(piece)
    if piece.group is not None or piece.rows is not None:
        items = _grouped(islice(_one_by_one(items), piece.rows), piece.group)
    try:
        yield from items
    except UserError as error:
        raise UserError(f"{piece.where}: {error.problem}", error.hint) from error


def _read(piece: SourcePiece) -> Iterator[Record | pa.RecordBatch]:
    read = getattr(piece.reader.module(), "read", None)
    if read is not None:  # the named function has planned the pieces, and `read` takes one
        return iter(cast(Iterable[Record | pa.RecordBatch], read(piece.piece)))
    arguments = [] if piece.piece is None else [piece.piece]
    parameters = parameters_of(piece.reader, piece.parameters)
    return iter(cast(Iterable[Record | pa.RecordBatch], piece.reader.load()(*arguments, **parameters)))


def _one_by_one(items: Iterable[Record | pa.RecordBatch]) -> Iterator[Record]:
    for item in items:
        yield from records_of(item) if isinstance(item, pa.RecordBatch) else [item]


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


def tasks_of(pieces: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """The pieces of each task: neighbours up to TASK_BYTES; a shard of another dataset is a task of its own."""
    if not all(isinstance(piece, SourcePiece) and piece.size is not None for piece in pieces):
        of_dataset = any(isinstance(piece, DatasetPiece) for piece in pieces)
        each = 1 if of_dataset else max(1, -(-len(pieces) // MOST_TASKS))
        return [tuple(pieces[start : start + each]) for start in range(0, len(pieces), each)]
    tasks: list[list[Piece]] = []
    size = 0
    for piece in cast(Sequence[SourcePiece], pieces):
        own = cast(int, piece.size)
        if not tasks or size + own > TASK_BYTES:
            tasks.append([])
            size = 0
        tasks[-1].append(piece)
        size += own
    return [tuple(task) for task in tasks]


def run_stretch(
    pieces: Sequence[Piece],
    ops: Sequence[Op],
    out: Path,
    *,
    executor: Executor,
    erased: frozenset[str] = frozenset(),
) -> Iterator[tuple[int, Counts, dict[str, float]]]:
    """Do the tasks; yields, for each in order, how many there are, its counts and its seconds by operator."""
    tasks = [Task(number, some, tuple(ops), out, erased) for number, some in enumerate(tasks_of(pieces))]
    for counts, seconds in executor.map(_call, tasks, lane="processes"):
        yield len(tasks), counts, seconds


def _call(task: Task) -> tuple[Counts, dict[str, float]]:
    return task()
