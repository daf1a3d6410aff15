"""A random sample of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tunesmith.data.arrays import arrow
from tunesmith.data.passes._exchange import Back, entries, key_of, partitions, read, write
from tunesmith.data.stream import Stream

VERSION = 1
MEASURES = ("rank",)
RANKED = np.dtype([("shard", "<u4"), ("row", "<u4"), ("rank", "<i8")])


def keep(*, rows: int) -> Mapping[str, object]:
    """The default bound: the first `rows` ranks stay."""
    return {"rank": {"below": rows}}


def sample(stream: Stream, *, rows: int) -> Iterator[pa.Table]:
    """Each record's `rank` in an order drawn from the seed and its id; the first `rows` stay by default.

    The same records and seed always give the same sample, and a larger sample holds every smaller one.
    """
    keys = _Keys(stream, stream.scratch / "own")
    sizes = list(stream.executor.map(keys, stream.shards, lane="threads"))
    back = Back(stream.scratch / "found")
    ranked = 0
    for number, part in enumerate(partitions(sum(sizes))):
        found = read(keys.folder, part)
        result = np.zeros(len(found), RANKED)
        result["shard"], result["row"] = found["shard"], found["row"]
        result["rank"] = np.arange(ranked, ranked + len(found))
        back.write(number, result)
        ranked += len(found)
    for shard in stream.shards:
        yield pa.table([arrow(back.of_shard(shard)["rank"])], names=list(MEASURES))


@dataclass(frozen=True)
class _Keys:
    stream: Stream
    folder: Path

    def __call__(self, shard: int) -> int:
        ids = self.stream.read(shard, ["id"])["id"].to_pylist()
        keys = [key_of([str(self.stream.seed), name]) for name in ids]
        return write(self.folder, shard, entries(keys, ids, shard))
