"""What is settled once all shards of a stretch are there: what was unreadable, one schema, ids, stale signals.

Each function may be killed at any moment and called again: it ends with the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.core.artifact import write_json
from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import shard_path, write_shard
from tunesmith.data.op import Op
from tunesmith.data.step import one_type_each
from tunesmith.data.stretch import Counts

QUARANTINE_ROWS = 20  # so many may be unreadable whatever their share


def check_quarantine(counts: Counts, out: Path, bound: Bound) -> None:
    """Stop a run that could not read more records than its bound allows (a share) and more than 20."""
    share = counts.quarantined / counts.read if counts.read else 0.0
    fault = bound.fault(share)
    if fault is None or counts.quarantined <= QUARANTINE_ROWS:
        return
    first = next(iter(sorted((out / "quarantine").glob("*.jsonl"))))
    row = json.loads(first.read_text("utf-8").partition("\n")[0])
    raise UserError(
        f"{counts.quarantined:,} of {counts.read:,} records could not be read (share {fault}); "
        f"the first: {row.get('uri')}, line {row.get('line')}: {row.get('error')}.",
        f"All are in {out / 'quarantine'}, with raw bytes. Mend the input, or raise quarantine: in the recipe.",
    )


def settle_ids(out: Path, shards: int) -> None:
    """Give rows that are equal across shards different ids, by their ordinal; other shards stay as they are.

    What will change is written down first, so that a killed run makes the same changes when it goes on.
    """
    plan_path = out / "equal_ids.json"
    if not plan_path.exists():
        write_json(plan_path, _plan_ids(out, shards))
    for shard, changes in json.loads(plan_path.read_text("utf-8")).items():
        path = shard_path(out, int(shard))
        table = pq.read_table(path)
        ids = table["id"].to_pylist()
        for row, new_id in changes.items():
            ids[int(row)] = new_id
        write_shard(path, table.set_column(table.column_names.index("id"), "id", pa.array(ids, pa.string())))


def _plan_ids(out: Path, shards: int) -> dict[str, dict[str, str]]:
    columns = [pq.read_table(shard_path(out, shard), columns=["id"])["id"] for shard in range(shards)]
    counts = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).value_counts()
    values, times = counts.field("values"), counts.field("counts")
    repeated = set(values.filter(pc.greater(times, 1)).to_pylist())
    seen: Counter[str] = Counter()
    plan: dict[str, dict[str, str]] = {}
    for shard, column in enumerate(columns if repeated else []):
        for row, row_id in enumerate(column.to_pylist()):
            if row_id not in repeated:
                continue
            if ordinal := seen[row_id]:
                plan.setdefault(str(shard), {})[str(row)] = hash128([row_id, str(ordinal)]).hex()
            seen[row_id] += 1
    return plan


def unify(out: Path, shards: int) -> list[str]:
    """Give all shards the same columns with the same types; returns the columns. Shards that already have them stay."""
    schemas = [pq.read_schema(shard_path(out, shard)) for shard in range(shards)]
    filled = [schema for schema in schemas if len(schema) > 1] or schemas
    with one_type_each():
        whole = pa.unify_schemas(filled, promote_options="permissive").remove_metadata()
    for shard, schema in enumerate(schemas):
        if schema.remove_metadata() != whole:
            table = pq.read_table(shard_path(out, shard))
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
