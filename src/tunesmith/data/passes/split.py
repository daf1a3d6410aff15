"""Parts of a list for training, validation and test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128, unit_interval
from tunesmith.data.stream import Stream
from tunesmith.data.texts import NEEDED, column_of, texts_of

VERSION = 1
MEASURES = ("part",)


def check(*, parts: Mapping[str, float], **_: object) -> None:
    """Raise UserError if the parts are no division of a whole."""
    total = math.fsum(parts.values())
    if not parts or any(share <= 0 for share in parts.values()) or abs(total - 1) > 1e-6:
        given = ", ".join(f"{name}: {share:g}" for name, share in parts.items())
        raise UserError(f"split: the parts ({given}) add up to {total:g}.", "Shares are above 0 and add up to 1.")


def split(
    stream: Stream, *, parts: Mapping[str, float], together: Sequence[str] = ("group",), largest: float = 0.08
) -> Iterator[pa.Table]:
    """The `part` of each record; records that share a value of a column in `together` are never parted.

    Groups with more than the share `largest` of all records go to the first part, so that none of them makes up
    another; the rest fill the part that lacks most, in an order drawn from the seed. A record in no group goes by a
    hash of its content, so that it keeps its part when others come or go.
    """
    check(parts=parts)
    columns = tuple(together)
    counted = list(stream.executor.map(_Count(stream, columns), stream.shards, lane="threads"))
    sizes: Counter[Values] = Counter()
    for shard_sizes in counted:
        sizes.update(shard_sizes)
    part_of = _fill(_groups(sizes), sum(sizes.values()), parts, largest, stream.seed)
    yield from stream.executor.map(_Assign(stream, columns, parts, part_of), stream.shards, lane="threads")


Values = tuple[str, ...]  # what a record has in the columns of `together`, each with its column's name before it


@dataclass(frozen=True)
class _Count:
    """Counts the records of a shard by what they have in the columns that keep them together."""

    stream: Stream
    columns: tuple[str, ...]

    def __call__(self, shard: int) -> Counter[Values]:
        return Counter(values_of(self.stream.read(shard, ["id", *self.columns]), self.columns))


@dataclass(frozen=True)
class _Assign:
    """Gives the records of a shard their parts."""

    stream: Stream
    columns: tuple[str, ...]
    parts: Mapping[str, float]
    part_of: Mapping[str, str]

    def __call__(self, shard: int) -> pa.Table:
        table = self.stream.read(shard, list(dict.fromkeys(["id", *self.columns, *NEEDED])))
        contents = pc.coalesce(texts_of(table), column_of(table, "id")).to_pylist()
        names = [
            self.part_of[values[0]] if values else self._by_hash(content)
            for values, content in zip(values_of(table, self.columns), contents, strict=True)
        ]
        return pa.table([pa.array(names, pa.string())], names=list(MEASURES))

    def _by_hash(self, content: str) -> str:
        drawn = unit_interval([str(self.stream.seed), content])
        for name, edge in zip(self.parts, accumulate(self.parts.values()), strict=True):
            if drawn < edge:
                return name
        return list(self.parts)[-1]


def values_of(table: pa.Table, columns: Sequence[str]) -> list[Values]:
    """What each record has in these columns; nothing for a record that is null in all of them."""
    given = [[None if value is None else f"{name}={value}" for value in table[name].to_pylist()] for name in columns]
    rows = zip(*given, strict=True) if given else (() for _ in range(table.num_rows))
    return [tuple(value for value in row if value is not None) for row in rows]


def _groups(sizes: Mapping[Values, int]) -> dict[str, tuple[str, int]]:
    """For each value the name of its group (the least value linked to it, however indirectly) and its records."""
    parent: dict[str, str] = {}

    def root(value: str) -> str:
        while (above := parent.setdefault(value, value)) != value:
            parent[value] = parent[above]
            value = above
        return value

    for values in sizes:
        for one, other in pairwise(values):
            low, high = sorted((root(one), root(other)))
            parent[high] = low
    records: Counter[str] = Counter()
    for values, count in sizes.items():
        if values:
            records[root(values[0])] += count
    return {value: (root(value), records[root(value)]) for values in sizes for value in values}


def _fill(
    groups: Mapping[str, tuple[str, int]], total: int, parts: Mapping[str, float], largest: float, seed: int
) -> dict[str, str]:
    """The part of each value: the largest groups in the first part, the others where most is lacking."""
    lacking = {name: share * total for name, share in parts.items()}
    chosen: dict[str, str] = {}
    order = sorted(set(groups.values()), key=lambda group: hash128([str(seed), group[0]]))
    for name, size in sorted(order, key=lambda group: group[1] <= largest * total):  # the largest first
        part = next(iter(parts)) if size > largest * total else max(lacking, key=lacking.__getitem__)
        chosen[name] = part
        lacking[part] -= size
    return {value: chosen[name] for value, (name, _) in groups.items()}
