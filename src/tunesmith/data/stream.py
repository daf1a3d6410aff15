"""What a pass is given: the kept rows of a list, shard by shard, never the corpus in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from tunesmith.core.artifact import write_json
from tunesmith.core.bound import Bound
from tunesmith.core.executor import Executor
from tunesmith.core.hashing import key_of
from tunesmith.data.dataset import Dataset

Measured = Generator[pa.Table, None, Mapping[str, object] | None]  # what a pass is: tables, and at last what it found
DONE = "done.json"


@dataclass(frozen=True)
class Rows:
    """The kept rows of a list, as tasks take them along to wherever they run."""

    dataset: Dataset
    part: str | None = None

    @property
    def shards(self) -> range:
        """The shard numbers, in order."""
        return range(self.dataset.shards)

    def read(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """The kept rows of one shard: these columns of the record, `part`, or `signal.*`; absent ones are null."""
        return self.dataset.read(shard, columns, part=self.part)


@dataclass(frozen=True)
class Stream:
    """The kept rows of a list with what a pass works with.

    A pass yields, for each shard in order, a table of what it measured, row for row; what it returns in the end is
    kept in the manifest and shown in the report.
    """

    dataset: Dataset
    executor: Executor
    scratch: Path  # for exchange files; emptied afterwards
    seed: int
    part: str | None = None
    keep: Mapping[str, Bound] = field(default_factory=dict)  # the recipe's bounds on what this pass measures
    cache: Path | None = None  # for what `once` works out; it stays until `tunesmith data gc`

    @property
    def rows(self) -> Rows:
        """The rows alone, which a task can take along."""
        return Rows(self.dataset, self.part)

    @property
    def shards(self) -> range:
        """The shard numbers, in order."""
        return range(self.dataset.shards)

    def read(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """The kept rows of one shard: these columns of the record, `part`, or `signal.*`; absent ones are null."""
        return self.rows.read(shard, columns)

    def once(self, name: str, parameters: Mapping[str, object], work: Callable[[Path], None]) -> Path:
        """The folder of what is worked out once for these rows and parameters, whatever the bounds: now, or before."""
        folder = (self.cache or self.scratch) / f"{name}-{key_of(parameters)}"
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            work(folder)
            write_json(folder / DONE, {"parameters": parameters})
        return folder
