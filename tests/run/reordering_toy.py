"""A pass that puts rows in a new order."""

from __future__ import annotations

import pyarrow as pa

from tunesmith.data.stream import Measured, Stream

WRITES_ROWS = True


def backwards(stream: Stream) -> Measured:
    """The rows from last to first."""
    columns = [name for name in stream.dataset.columns if name not in ("kept", "step", "why")]
    for shard in reversed(stream.shards):
        table = stream.read(shard, columns)
        yield table.take(pa.array(range(table.num_rows - 1, -1, -1)))
    return None


def losing(stream: Stream) -> Measured:
    """A pass with a mistake: it loses a row."""
    for table in backwards(stream):
        yield table.slice(1)
    return None
