"""What a pass is given: the kept rows of a list, shard by shard, never the corpus in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tunesmith.core.executor import Executor
from tunesmith.data.dataset import Dataset


@dataclass(frozen=True)
class Stream:
    """The kept rows of a list. A pass yields, for each shard in order, a table of what it measured, row for row."""

    dataset: Dataset
    executor: Executor
    scratch: Path  # for exchange files; emptied afterwards
    seed: int
    part: str | None = None

    @property
    def shards(self) -> range:
        """The shard numbers, in order."""
        return range(self.dataset.shards)

    def read(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """The kept rows of one shard: these columns of the record, `part`, or `signal.*`; absent ones are null."""
        return self.dataset.read(shard, columns, part=self.part)
