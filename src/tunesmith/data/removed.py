"""The list of removed records: what no later run may bring back, whatever its recipe.

A record that was only removed stands there by its id and is decided upon like any other. Of one that was erased only
a hash of the id is kept: it is dropped as it is read, before anything of it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import replacing
from tunesmith.core.hashing import sha256
from tunesmith.data.arrays import arrow
from tunesmith.data.dataset import VERDICTS, Dataset, shard_path, write_shard

LIST = "removed.jsonl"
STEP = "removed"
REASON = f"{STEP}: on request"  # that removed records are counted under


@dataclass(frozen=True)
class Removed:
    """One removed record: `source` or, of a made record, `list` says where it would come back."""

    digest: str  # SHA-256 of the id
    id: str | None = None  # None once it is erased
    source: str | None = None
    list: str | None = None
    why: str = ""


def digest_of(row_id: str) -> str:
    """What is kept of the id of an erased record: enough to know it again, not enough to find it."""
    return sha256(row_id)


def read_removed(workspace: Path) -> list[Removed]:
    """The removed records of a workspace."""
    path = workspace / LIST
    if not path.is_file():
        return []
    return [Removed(**orjson.loads(line)) for line in path.read_bytes().splitlines()]


def add_removed(workspace: Path, more: Iterable[Removed]) -> None:
    """Put records on the list; one that is erased takes the place of one that was only removed."""
    known = {(one.digest, one.source, one.list): one for one in [*read_removed(workspace), *more]}
    gone = {one.digest for one in known.values() if one.id is None}
    stays = [one for one in known.values() if one.id is None or one.digest not in gone]
    ordered = sorted(stays, key=lambda one: (one.digest, one.source or "", one.list or ""))
    with replacing(workspace / LIST) as temporary:
        temporary.write_bytes(b"".join(orjson.dumps(asdict(one)) + b"\n" for one in ordered))


def removed_ids(workspace: Path) -> dict[str, str]:
    """The ids of records that were removed and are still kept in earlier versions, with the reason of each."""
    return {one.id: one.why for one in read_removed(workspace) if one.id is not None}


def erased_digests(workspace: Path, sources: Sequence[str], name: str) -> tuple[str, ...]:
    """The hashes of the ids that these sources, or the makers of the list of this name, must not bring back."""
    erased = [one for one in read_removed(workspace) if one.id is None]
    return tuple(sorted({one.digest for one in erased if one.source in sources or one.list == name}))


def without_erased(batch: pa.RecordBatch, digests: frozenset[str]) -> pa.RecordBatch:
    """The rows whose id is not among the erased ones."""
    if not digests or not batch.num_rows:
        return batch
    stays = [digest_of(row_id) not in digests for row_id in batch["id"].to_pylist()]
    return batch if all(stays) else batch.filter(pa.array(stays, pa.bool_()))


def hits_of(dataset: Dataset, ids: Iterable[str]) -> list[str]:
    """Which of these ids a dataset has a kept row of."""
    wanted = pa.array(sorted(ids), pa.string())
    found: set[str] = set()
    for table in dataset.tables(["id"]) if len(wanted) else ():
        found.update(table["id"].filter(pc.is_in(table["id"], value_set=wanted)).to_pylist())
    return sorted(found)


def write_removal(dataset: Dataset, why: Mapping[str, str], out: Path) -> int:
    """Write a layer of verdicts that drops these ids; gives how many rows it drops."""
    wanted = pa.array(sorted(why), pa.string())
    dropped = 0
    for shard in range(dataset.shards):
        table = dataset.read(shard, ["id", *VERDICTS], kept=False)
        kept = pc.fill_null(table["kept"], True).to_numpy()
        hits = kept & pc.is_in(table["id"], value_set=wanted).to_numpy()
        columns = {name: np.array(table[name].to_pylist(), object) for name in ("step", "why")}
        columns["step"][hits] = STEP
        columns["why"][hits] = [why[row_id] for row_id in table["id"].filter(arrow(hits)).to_pylist()]
        arrays = [arrow(kept & ~hits), *(pa.array(columns[name], pa.string()) for name in ("step", "why"))]
        write_shard(shard_path(out, shard), pa.Table.from_arrays(arrays, names=list(VERDICTS)))
        dropped += int(hits.sum())
    return dropped
