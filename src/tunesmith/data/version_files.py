"""The data files of a dataset version: Parquet by part, several where it is large, hashed as they are written."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.data.copies import repeated
from tunesmith.data.dataset import Dataset, shard_path
from tunesmith.data.step import one_type_each

FOLDER = "data"
FILE_BYTES = 256 << 20  # a file that has grown to this is the last to be written to; the next rows begin another
VERDICT = ("kept", "step", "why")
WHOLE = "train"  # the part of a list that was not split, as loaders expect it
NO_PART = "unknown"  # of a row that no part was given, where others have one


@dataclass(frozen=True)
class DataFile:
    """One file as it was written."""

    path: str  # inside the version's folder
    part: str
    sha256: str
    bytes: int
    rows: int


class HashedFile(io.RawIOBase):
    """A new file whose bytes are hashed on their way, so that none has to be read again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("wb")
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The bytes written so far."""
        return self.size

    def write(self, data: object) -> int:
        """Take bytes of any kind."""
        with memoryview(data) as given:  # type: ignore[arg-type]  # Arrow gives buffers
            self.digest.update(given)
            self.file.write(given)
            self.size += given.nbytes
            return given.nbytes

    def close(self) -> None:
        """Bring it to disk: a manifest never speaks of a file that a power cut could still undo."""
        if not self.file.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        super().close()


def write_data(dataset: Dataset, out: Path, *, file_bytes: int = FILE_BYTES) -> list[DataFile]:
    """Write the kept rows, a row with `copies` that often; gives the files. One shard is in memory at a time."""
    names = [name for name in dataset.columns if name not in (*VERDICT, "copies")]
    schema = _schema(dataset, names)
    parts: dict[str, _Part] = {}
    for table in dataset.tables([*names, "copies"]):
        for rows in repeated(table):
            for part, some in _by_part(rows):
                if part not in parts:
                    parts[part] = _Part(out, part, schema, file_bytes)
                parts[part].add(some)
    if not parts:
        parts[WHOLE] = _Part(out, WHOLE, schema, file_bytes)
        parts[WHOLE].add(schema.empty_table())
    return [file for part in sorted(parts) for file in parts[part].close()]


@dataclass
class _Part:
    """The files of one part; the last of them is open."""

    out: Path
    part: str
    schema: pa.Schema
    file_bytes: int
    done: list[DataFile] = field(default_factory=list)
    file: HashedFile | None = None
    writer: pq.ParquetWriter | None = None
    rows: int = 0

    def add(self, table: pa.Table) -> None:
        """Write some rows; begin another file when this one is full."""
        if self.writer is None or self.file is None:
            self.file = HashedFile(self.out / self._path())
            self.writer = pq.ParquetWriter(self.file, self.schema, compression="zstd")
        self.writer.write_table(table.cast(self.schema))
        self.rows += table.num_rows
        if self.file.size >= self.file_bytes:
            self._end()

    def close(self) -> list[DataFile]:
        """End the last file; gives all of them."""
        self._end()
        return self.done

    def _path(self) -> str:
        return f"{FOLDER}/{self.part}-{len(self.done):05d}.parquet"

    def _end(self) -> None:
        if self.writer is None or self.file is None:
            return
        self.writer.close()
        self.file.close()
        digest = self.file.digest.hexdigest()
        self.done.append(DataFile(self._path(), self.part, digest, self.file.size, self.rows))
        self.file = self.writer = None
        self.rows = 0


def _by_part(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if "part" not in table.column_names:
        yield WHOLE, table
        return
    given = pc.fill_null(table["part"], NO_PART)
    for part in sorted(pc.unique(given).to_pylist()):
        yield part, table.filter(pc.equal(given, part))


def _schema(dataset: Dataset, names: list[str]) -> pa.Schema:
    """The columns with one type each, whatever a single shard lacks."""
    found: dict[str, list[pa.Field]] = {}
    for layer in dataset.layers:
        schemas = [pq.read_schema(shard_path(layer, shard)) for shard in range(dataset.shards)]
        found |= {name: [each.field(name) for each in schemas if name in each.names] for name in _all_names(schemas)}
    fields = []
    for name in names:
        with one_type_each():
            whole = pa.unify_schemas([pa.schema([each]) for each in found[name]], promote_options="permissive")
        fields.append(whole.field(0).remove_metadata())
    return pa.schema(fields)


def _all_names(schemas: list[pa.Schema]) -> list[str]:
    return list(dict.fromkeys(name for schema in schemas for name in schema.names))
