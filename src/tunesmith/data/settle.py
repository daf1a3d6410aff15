"""What is settled once all shards of a stretch are there: what was unreadable, one schema, ids, stale signals.

Each function may be killed at any moment and called again: it ends with the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tunesmith.core.artifact import replacing
from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import read_shard, shard_path, write_shard
from tunesmith.data.op import Op
from tunesmith.data.step import one_type_each
from tunesmith.data.stretch import Counts, part_path

QUARANTINE_ROWS = 20  # so many may be unreadable whatever their share
IDS_AT_ONCE = 1_000_000  # that are compared in memory
ID = np.dtype("S32")  # 32 hexadecimal digits
CHANGE = np.dtype([("id", ID), ("shard", "<u4"), ("row", "<u4"), ("ordinal", "<u4")])


def check_quarantine(counts: Counts, out: Path, bound: Bound) -> None:
    """Stop a run that could not read more records than its bound allows (a share) and more than 20."""
    share = counts.quarantined / counts.read if counts.read else 0.0
    fault = bound.fault(share)
    if fault is None or counts.quarantined <= QUARANTINE_ROWS:
        return
    raise UserError(
        f"{counts.quarantined:,} of {counts.read:,} records could not be read (share {fault}); "
        f"the first: {first_of_quarantine(out)}.",
        f"All are in {out / 'quarantine'}, with raw bytes. Mend the input, or raise quarantine: in the recipe.",
    )


def first_of_quarantine(out: Path) -> str:
    """Where the first record that could not be read stands, and why; empty if all could be."""
    for path in sorted((out / "quarantine").glob("*.jsonl"))[:1]:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline())
        line = f", line {row['line']}" if row.get("line") else ""
        return f"{row.get('uri')}{line}: {row.get('error')}"
    return ""


def number_shards(out: Path, parts: Sequence[int]) -> int:
    """Give the parts of all tasks (so many each) their places as shards of the dataset; returns how many there are."""
    places = [(task, part) for task, count in enumerate(parts) for part in range(count)]
    (out / "shards").mkdir(exist_ok=True)
    for shard, (task, part) in enumerate(places):
        path = part_path(out, task, part)
        if path.exists():  # a killed run may have moved it already
            path.replace(shard_path(out, shard))
    shutil.rmtree(out / "parts", ignore_errors=True)
    return len(places)


def settle_ids(out: Path, shards: int) -> None:
    """Give rows that are equal to an earlier row of their source another id, by their ordinal among equals.

    What will change is written down first, so that a killed run makes the same changes when it goes on.
    """
    plan_path = out / "equal_ids.npy"
    if not plan_path.exists():
        with replacing(plan_path) as temporary, temporary.open("wb") as file:
            np.save(file, _plan_ids(out, shards))
    plan = np.load(plan_path)
    for shard in np.unique(plan["shard"]).tolist():
        path = shard_path(out, shard)
        table = read_shard(path)
        ids = table["id"].to_pylist()
        for change in plan[plan["shard"] == shard]:
            ids[change["row"]] = hash128([change["id"].decode(), str(change["ordinal"])]).hex()
        write_shard(path, table.set_column(table.column_names.index("id"), "id", pa.array(ids, pa.string())))


def _plan_ids(out: Path, shards: int) -> NDArray[np.void]:
    """The rows whose id an earlier row has, with their ordinals; ids are compared IDS_AT_ONCE at a time."""
    rows = sum(pq.read_metadata(shard_path(out, shard)).num_rows for shard in range(shards))
    buckets = -(-rows // IDS_AT_ONCE)
    plans = [_repeated(_in_bucket(out, shards, bucket, buckets)) for bucket in range(buckets)]
    return np.sort(np.concatenate([np.zeros(0, CHANGE), *plans]), order=["shard", "row"])


def _in_bucket(out: Path, shards: int, bucket: int, buckets: int) -> NDArray[np.void]:
    found = [np.zeros(0, CHANGE)]
    for shard in range(shards):
        ids = read_shard(shard_path(out, shard), ["id"])["id"].combine_chunks()
        entries = np.zeros(len(ids), CHANGE)
        if len(ids):
            entries["id"] = np.frombuffer(ids.buffers()[2], ID, len(ids), ids.offset * ID.itemsize)
        entries["shard"], entries["row"] = shard, np.arange(len(ids))
        found.append(entries[np.ascontiguousarray(entries["id"]).view("<u8")[::4] % buckets == bucket])
    return np.concatenate(found)


def _repeated(entries: NDArray[np.void]) -> NDArray[np.void]:
    """The entries whose id stands before them, in the order of the dataset, with how often it does."""
    ordered = entries[np.argsort(entries["id"], kind="stable")]
    new = np.ones(len(ordered), bool)
    new[1:] = ordered["id"][1:] != ordered["id"][:-1]
    positions = np.arange(len(ordered))
    ordered["ordinal"] = positions - np.maximum.accumulate(np.where(new, positions, 0))
    return ordered[~new]


def unify(out: Path, shards: int) -> list[str]:
    """Give all shards the same columns with the same types; returns the columns. Shards that already have them stay."""
    schemas = [pq.read_schema(shard_path(out, shard)) for shard in range(shards)]
    filled = [schema for schema in schemas if len(schema) > 1] or schemas
    with one_type_each():
        whole = pa.unify_schemas(filled, promote_options="permissive").remove_metadata()
    for shard, schema in enumerate(schemas):
        if schema.remove_metadata() != whole:
            table = read_shard(shard_path(out, shard))
            write_shard(shard_path(out, shard), _with_schema(table, whole))
    return list(whole.names)


def _with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    arrays = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def stale_signals(ops: Sequence[Op], columns: Sequence[str], *, before: Sequence[str] = ()) -> list[str]:
    """The signal columns that a later edit of this stretch made untrue of the text as it now is."""
    edits = [number for number, op in enumerate(ops) if op.kind != "signal"]
    if not edits:
        return []
    old = {op.label for op in ops[: edits[-1]] if op.kind == "signal"}
    new = {op.label for op in ops[edits[-1] :] if op.kind == "signal"}
    stale = {name for name in columns if _is_of(name, old - new) or name in before}
    return sorted(name for name in stale if name.startswith(SIGNAL) and not _is_of(name, new))


def _is_of(column: str, labels: set[str]) -> bool:
    name = column.removeprefix(SIGNAL)
    return any(name == label or name.startswith(f"{label}.") for label in labels)
