"""A random sample of a list, or of each class in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.arrays import arrow
from tunesmith.data.passes._exchange import Back, Entries, entries, key_of, partitions, read, write
from tunesmith.data.passes._together import columns_of, hashes_of, needed, values_of
from tunesmith.data.stream import Stream

VERSION = 1
MEASURES = ("rank",)
NO_CLASS = bytes(8)
RANKED = np.dtype([("shard", "<u4"), ("row", "<u4"), ("rank", "<i8")])


def keep(*, rows: int, **_: object) -> Mapping[str, object]:
    """The default bound: the first `rows` ranks stay."""
    return {"rank": {"below": rows}}


def sample(stream: Stream, *, rows: int, each: str | None = None) -> Iterator[pa.Table]:
    """Each record's `rank` in an order drawn from the seed and its id; the first `rows` stay by default.

    The same records and seed always give the same sample, and a larger sample holds every smaller one. With `each`, the
    name of a column or meta.NAME, every value of it has its own order: `rows: 10, each: target` leaves ten records a
    label, or all of a label that has fewer. Records without a value are one class; the ids of one class are in memory.
    """
    keys = _Keys(stream, stream.scratch / "own", _column(stream, each))
    sizes = list(stream.executor.map(keys, stream.shards, lane="threads"))
    back = Back(stream.scratch / "found")
    ranked = 0
    for number, part in enumerate(partitions(sum(sizes))):
        found = read(keys.folder, part)
        result = np.zeros(len(found), RANKED)
        result["shard"], result["row"] = found["shard"], found["row"]
        result["rank"] = _within(found) if each else np.arange(ranked, ranked + len(found))
        back.write(number, result)
        ranked += len(found)
    for shard in stream.shards:
        yield pa.table([arrow(back.of_shard(shard)["rank"])], names=list(MEASURES))


def _column(stream: Stream, each: str | None) -> str | None:
    """The column that `each` names; raises UserError if nothing gives it."""
    return None if each is None else columns_of(stream, [each], asks="sample")[0]


def _within(found: Entries) -> NDArray[np.int64]:
    """The rank of each entry among those with the same class, which is the high half of its key."""
    new = np.ones(len(found), bool)
    new[1:] = found["high"][1:] != found["high"][:-1]
    places = np.arange(len(found))
    ranks: NDArray[np.int64] = places - places[new][np.cumsum(new) - 1]
    return ranks


@dataclass(frozen=True)
class _Keys:
    """Writes a shard's entries, keyed by a draw from the seed and the id, or by the class and then the draw."""

    stream: Stream
    folder: Path
    column: str | None

    def __call__(self, shard: int) -> int:
        table = self.stream.read(shard, ["id", *(needed([self.column]) if self.column else [])])
        ids = table["id"].to_pylist()
        drawn = [key_of([str(self.stream.seed), name]) for name in ids]
        if self.column is None:
            return write(self.folder, shard, entries(drawn, ids, shard))
        # 8 bytes of a hash: two values that met in one would merely be sampled as one class
        classes = hashes_of(values_of(table, self.column), self.column, "")
        keys = [(own or NO_CLASS)[:8] + key[:8] for own, key in zip(classes, drawn, strict=True)]
        return write(self.folder, shard, entries(keys, ids, shard))
