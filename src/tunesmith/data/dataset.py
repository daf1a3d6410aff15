"""A dataset as it is read: a base of rows, and thin layers over it that measure or decide, aligned row for row.

A stretch writes the base (all rows with their signals). A pass writes a layer of what it measured; bounds write a layer
of verdicts (kept, step, why). Nothing is copied when a bound changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.core.artifact import read_manifest, replacing
from tunesmith.core.record import COLUMNS

VERDICTS = {"kept": pa.bool_(), "step": pa.string(), "why": pa.string()}
LAYER_COLUMNS = {**VERDICTS, "weight": pa.float64()}
ROWS = "rows"  # the input whose rows a layer decides upon


def shard_path(folder: Path, shard: int, kind: str = "shards") -> Path:
    """Where one shard of an artifact lies."""
    return folder / kind / f"{shard:05d}.parquet"


@dataclass(frozen=True)
class Dataset:
    """A finished dataset: the base folder first, then its layers."""

    layers: tuple[Path, ...]
    shards: int

    @property
    def folder(self) -> Path:
        """The artifact that stands for all of it: the last layer."""
        return self.layers[-1]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that can be read, those of later layers last, without signals that an edit made stale."""
        seen: dict[str, None] = {}
        for layer in self.layers:
            own = dict.fromkeys(_names(layer))
            stale = set(read_manifest(layer).facts.get("stale", ()))  # type: ignore[call-overload]  # a list of names
            is_base = layer == self.layers[0]  # whose own columns may be stale; a later layer speaks of those before it
            seen = {name: None for name in (seen | own if is_base else seen) if name not in stale}
            seen |= {} if is_base else own
        return tuple(seen)

    def read(
        self, shard: int, columns: Sequence[str] | None = None, *, part: str | None = None, kept: bool = True
    ) -> pa.Table:
        """Rows of one shard: those kept (or, with kept=False, all), of this part; absent columns are null."""
        wanted = list(self.columns if columns is None else columns)
        needed = dict.fromkeys([*wanted, *(["kept"] if kept else []), *(["part"] if part else [])])
        table = self._table(shard, list(needed))
        if kept and table["kept"].null_count < table.num_rows:
            table = table.filter(pc.fill_null(table["kept"], True))
        if part is not None:
            table = table.filter(pc.fill_null(pc.equal(table["part"], part), False))
        return table.select(wanted)

    def tables(self, columns: Sequence[str] | None = None, *, part: str | None = None) -> Iterator[pa.Table]:
        """The kept rows, shard by shard."""
        for shard in range(self.shards):
            yield self.read(shard, columns, part=part)

    def count(self, *, part: str | None = None) -> int:
        """How many rows are kept."""
        return sum(table.num_rows for table in self.tables(["id"], part=part))

    def _table(self, shard: int, columns: Sequence[str]) -> pa.Table:
        homes = {name: self._home(name) for name in columns}
        parts = {
            layer: read_shard(shard_path(layer, shard), [name for name, home in homes.items() if home == layer])
            for layer in {home for home in homes.values() if home}
        }
        rows = pq.read_metadata(shard_path(self.layers[0], shard)).num_rows
        arrays = [parts[home][name] if (home := homes[name]) else pa.nulls(rows, _type_of(name)) for name in columns]
        return pa.table(arrays, names=list(columns)) if columns else pa.table({})

    def _home(self, column: str) -> Path | None:
        """The last layer that has this column."""
        return next((layer for layer in reversed(self.layers) if column in _names(layer)), None)


def open_dataset(folder: Path) -> Dataset:
    """The dataset whose last layer is this artifact, with all it stands on."""
    layers: list[Path] = []
    here: Path | None = folder
    while here is not None:
        layers.insert(0, here)
        manifest = read_manifest(here)
        below = None if "shards" in manifest.facts else manifest.inputs.get(ROWS)  # who counts shards has the rows
        here = folder.parents[1] / below if below else None
    return Dataset(tuple(layers), int(str(read_manifest(layers[0]).facts["shards"])))


def below(folder: Path) -> Path | None:
    """The dataset that a stretch was fed from, if it was not a source."""
    feed = read_manifest(open_dataset(folder).layers[0]).inputs.get(ROWS)
    return folder.parents[1] / feed if feed else None


def read_shard(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One shard, or these columns of it; pq.read_table would import pyarrow.dataset first, for half a second."""
    with pq.ParquetFile(path) as file:
        return file.read(None if columns is None else list(columns))


def write_shard(path: Path, table: pa.Table) -> None:
    """Write one shard whole or not at all; equal tables give equal bytes."""
    plain = [name for name in table.column_names if name != "text"]  # a dictionary of whole texts only costs time
    is_flat = not any(pa.types.is_nested(field.type) for field in table.schema)
    with replacing(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", compression_level=1, row_group_size=65536,
            use_dictionary=plain if is_flat and plain else True,
        )  # fmt: skip


@cache
def _names(layer: Path) -> tuple[str, ...]:
    names = read_manifest(layer).facts["columns"]
    assert isinstance(names, list)
    return tuple(names)


def _type_of(column: str) -> pa.DataType:
    return COLUMNS.get(column) or LAYER_COLUMNS.get(column) or pa.null()
