"""The rows of a part as a trainer reads them: a shard at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tunesmith.data.dataset import Dataset

COLUMNS = (
    *("id", "text", "messages", "tools", "chosen", "rejected", "desirable", "target", "domain", "group"),
    *("margin", "weight", "copies"),
)
AT_ONCE = 1000


@dataclass(frozen=True)
class TrainRows:
    """The kept rows of a part. How often a mix has a row is part of its weight, so that an epoch is the mix once."""

    dataset: Dataset
    part: str

    def __len__(self) -> int:
        """How many rows there are."""
        return self.dataset.count(part=self.part)

    def __iter__(self) -> Iterator[dict[str, object]]:
        """The rows, in the order of the dataset."""
        columns = [name for name in COLUMNS if name in self.dataset.columns]
        for table in self.dataset.tables(columns, part=self.part):
            for batch in table.to_batches(AT_ONCE):
                yield from map(_with_weight, batch.to_pylist())


def _with_weight(row: Mapping[str, object]) -> dict[str, object]:
    copies, weight = row.get("copies"), row.get("weight")
    times = (1 if copies is None else int(str(copies))) * (1.0 if weight is None else float(str(weight)))
    return {**{name: value for name, value in row.items() if name != "copies"}, "weight": times}
