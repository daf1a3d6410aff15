"""A frozen test set: who is in it, and what of later data would cross into it.

The set holds hashes, no texts. In memory it takes about 40 bytes a member, and 8 for each of their groups and known
near-duplicates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tunesmith.core.artifact import replacing
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.core.record import SIGNAL
from tunesmith.data.passes._together import (
    CLUSTER,
    NONE,
    TO_TELL_CONTENT,
    Keys,
    contents_of,
    hashes_of,
    keys_of,
    needed,
    short,
    values_of,
)
from tunesmith.data.stream import Stream

MEMBERS = "members.parquet"
PART = "frozen part"
SALT = "frozen"  # of hashes of values, whatever the seed of a run
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "content": pa.string(),  # hash of the normalised text
        "groups": pa.list_(pa.string()),  # hashes of what keeps it together with others
        "near": pa.list_(pa.string()),  # hashes of the texts in its near-duplicate clusters, kept or dropped
        "part": pa.string(),
    }
)


def write_members(stream: Stream, columns: Sequence[str], divided: Iterable[pa.Table], first: str, out: Path) -> int:
    """Write the records outside the first part as a frozen set; gives how many there are."""
    clusters = [column for column in columns if is_cluster(column)]
    groups = [column for column in columns if not is_cluster(column)]
    parts = _Parts(stream.scratch / "parts", first)
    parts.write(divided)
    of_clusters = _contents_by_cluster(stream, clusters, parts) if clusters else {}
    count = 0
    with replacing(out / MEMBERS) as path, pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for shard in stream.shards:
            table = parts.of(shard, stream.read(shard, list(dict.fromkeys([*TO_TELL_CONTENT, *needed(columns)]))))
            members = _members(table, groups, clusters, of_clusters)
            writer.write_table(members)
            count += len(members)
    return count


def is_cluster(column: str) -> bool:
    """Whether a column holds near-duplicate clusters, whose names change from run to run."""
    return column.startswith(SIGNAL) and column.endswith(CLUSTER)


@dataclass(frozen=True)
class _Parts:
    """The part of each record, as files, so that those outside the first can be read again."""

    folder: Path
    first: str

    def write(self, divided: Iterable[pa.Table]) -> None:
        self.folder.mkdir()
        for shard, table in enumerate(divided):
            pq.write_table(table.select(["part"]), self.folder / f"{shard:05d}.parquet")

    def of(self, shard: int, table: pa.Table) -> pa.Table:
        """The records of a shard that are outside the first part, with `part`."""
        part = pq.read_table(self.folder / f"{shard:05d}.parquet")["part"]
        return table.append_column(PART, part).filter(pc.not_equal(part, self.first))


def _members(
    table: pa.Table, groups: Sequence[str], clusters: Sequence[str], of_clusters: Mapping[int, frozenset[str]]
) -> pa.Table:
    hashes = [hashes_of(values_of(table, column), column, SALT) for column in groups]
    held = [[given.hex() for given in row if given is not None] for row in zip(*hashes, strict=True)]
    contents = [hash128([content]).hex() for content in contents_of(table)]
    near = [
        sorted(set().union(*(of_clusters.get(key, frozenset()) for key in keys)) - {content})
        for keys, content in zip(keys_of(table, clusters, SALT).tolist(), contents, strict=True)
    ]
    held = held or [[] for _ in contents]
    return pa.table([table["id"], contents, held, near, table[PART]], schema=SCHEMA)


def _contents_by_cluster(stream: Stream, clusters: Sequence[str], parts: _Parts) -> dict[int, frozenset[str]]:
    """The hashes of all texts, kept or dropped, in each near-duplicate cluster that a record to be frozen is in."""
    wanted: set[int] = set()
    for shard in stream.shards:
        table = parts.of(shard, stream.read(shard, needed(clusters)))
        wanted.update(keys_of(table, clusters, SALT).ravel().tolist())
    wanted.discard(int(NONE))
    found: dict[int, set[str]] = defaultdict(set)
    for shard in stream.shards:
        table = stream.dataset.read(shard, list(dict.fromkeys([*TO_TELL_CONTENT, *needed(clusters)])), kept=False)
        keys = keys_of(table, clusters, SALT)
        rows = np.flatnonzero(np.isin(keys, np.array(sorted(wanted), np.uint64)).any(axis=1))
        for row, content in zip(rows.tolist(), contents_of(table.take(rows)), strict=True):
            for key in keys[row].tolist():
                found[key].add(hash128([content]).hex())
    return {key: frozenset(contents) for key, contents in found.items() if key in wanted}


@dataclass(frozen=True)
class Place:
    """Where keys are looked up: the member that each belongs to."""

    keys: Keys  # sorted
    member: NDArray[np.int64]

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The member of each key; -1 where there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found: NDArray[np.int64] = np.where(self.keys[places] == keys, self.member[places], -1)
        return found


@dataclass(frozen=True)
class Frozen:
    """A frozen set, ready to be asked."""

    names: tuple[str, ...]  # of its parts
    part: NDArray[np.int64]  # of each member
    ids: Place
    contents: Place
    groups: Keys
    near: Keys


def open_frozen(folder: str | None, first: str) -> Frozen | None:
    """The frozen set in this folder; None if there is none yet."""
    if folder is None or not Path(folder, MEMBERS).is_file():
        return None
    table = pq.read_table(Path(folder, MEMBERS))
    encoded = table["part"].combine_chunks().dictionary_encode()
    names = tuple(encoded.dictionary.to_pylist())
    if first in names:
        problem = f"split: the part {first!r} is frozen in {folder}, and cannot be the first, which takes all else."
        raise UserError(problem, "Put another part first, or delete that folder to freeze anew.")
    return Frozen(
        names,
        encoded.indices.to_numpy().astype(np.int64),
        _place(id_keys(table["id"].to_pylist())),
        _place(_unhexed(table["content"])),
        np.unique(_unhexed(pc.list_flatten(table["groups"]))),
        np.unique(_unhexed(pc.list_flatten(table["near"]))),
    )


def id_keys(ids: Sequence[str]) -> Keys:
    """The keys of records' ids."""
    return short([hash128([name]) for name in ids])


def content_keys(table: pa.Table) -> Keys:
    """The keys of records' normalised texts."""
    return short([hash128([content]) for content in contents_of(table)])


def _place(keys: Keys) -> Place:
    order = np.argsort(keys, kind="stable")
    return Place(keys[order], order)


def _unhexed(values: pa.ChunkedArray) -> Keys:
    return short([bytes.fromhex(value) for value in values.to_pylist()])
