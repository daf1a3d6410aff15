"""Records that belong together, however indirectly: through values that they share, or through equal texts.

Texts meet in exchange files. What is held in memory grows with the number of different values, not with that of
records: about 100 bytes for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._exchange import KEY, Back, Entries, by_key, first_of_each, key_of, read, write
from tunesmith.data.passes._together import (
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
from tunesmith.data.stream import Rows

ENTRY = np.dtype([*KEY.descr, ("shard", "<u4"), ("row", "<u4"), ("value", "<u8"), ("stratum", "<u8")])
ATTACHED = np.dtype([("shard", "<u4"), ("row", "<u4"), ("value", "<u8")])
LINK = np.dtype([("one", "<u8"), ("other", "<u8")])
UNIT = np.dtype([("value", "<u8"), ("stratum", "<u8"), ("rows", "<i8")])
FOLD_ROWS = 4_000_000  # of what shards tell, before it is put together
HIGHEST = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Told:
    """What a shard or a partition tells of groups: values that are linked, and records by value and stratum."""

    links: Entries
    units: Entries
    strata: Mapping[int, str]
    rows: int = 0


@dataclass(frozen=True)
class Scan:
    """Writes for each record of a shard the hash of its text, its first value and its stratum."""

    rows: Rows
    columns: tuple[str, ...]
    stratify: str | None
    seed: int
    folder: Path

    def __call__(self, shard: int) -> Told:
        wanted = needed([*self.columns, *([self.stratify] if self.stratify else [])])
        table = self.rows.read(shard, list(dict.fromkeys([*TO_TELL_CONTENT, *wanted])))
        salt = str(self.seed)
        keys = keys_of(table, self.columns, salt)
        made = np.zeros(table.num_rows, ENTRY)
        packed = np.frombuffer(b"".join(key_of([salt, content]) for content in contents_of(table)), KEY)
        made["high"], made["low"], made["shard"] = packed["high"], packed["low"], shard
        made["row"], made["value"] = np.arange(len(made)), _first(keys)
        names: dict[int, str] = {}
        if self.stratify:
            strata = values_of(table, self.stratify).fill_null("none")
            made["stratum"] = short(hashes_of(strata, self.stratify, ""))
            names = dict(zip(made["stratum"].tolist(), strata.to_pylist(), strict=True))
        write(self.folder, shard, by_key(made))
        return Told(_links(made["value"], keys), _units(made[made["value"] != NONE]), names, len(made))


def _first(keys: Keys) -> Keys:
    """The first value of each line that is one."""
    first = np.full(len(keys), NONE)
    for column in keys.T[::-1]:
        first = np.where(column == NONE, first, column)
    return first


def _links(first: Keys, keys: Keys) -> Entries:
    """The pairs of a record's first value and each other one."""
    pairs = [_pairs(first, column) for column in keys.T]
    return np.unique(np.concatenate([np.zeros(0, LINK), *pairs]))


def _pairs(one: Keys, other: Keys) -> Entries:
    linked = (other != NONE) & (other != one)
    pairs = np.zeros(int(linked.sum()), LINK)
    pairs["one"], pairs["other"] = one[linked], other[linked]
    return np.unique(pairs)


def _units(rows: Entries) -> Entries:
    """How many records each value has in each stratum."""
    units = np.zeros(len(rows), UNIT)
    units["value"], units["stratum"], units["rows"] = rows["value"], rows["stratum"], 1
    return summed(units)


def summed(units: Entries) -> Entries:
    """Units of the same value and stratum as one."""
    found, places = np.unique(units[["value", "stratum"]], return_inverse=True)
    whole = np.zeros(len(found), UNIT)
    whole["value"], whole["stratum"] = found["value"], found["stratum"]
    np.add.at(whole["rows"], places, units["rows"])
    return whole


@dataclass(frozen=True)
class Meet:
    """Finds the records of equal text in one partition: they join the group of any of them, and link their groups."""

    folder: Path
    back: Back

    def __call__(self, numbered: tuple[int, tuple[int, int]]) -> Told:
        number, part = numbered
        found = runs(read(self.folder, part))
        joined = (found.rows["value"] == NONE) & (found.value != NONE)
        result = np.zeros(int(joined.sum()), ATTACHED)
        result["shard"], result["row"] = found.rows["shard"][joined], found.rows["row"][joined]
        result["value"] = found.value[joined]
        self.back.write(number, result)
        alone = found.rows[found.rows["value"] == NONE]
        alone["value"], alone["stratum"] = found.value[found.rows["value"] == NONE], found.stratum_of_alone
        return Told(_pairs(found.value, found.rows["value"]), _units(alone), {})


@dataclass(frozen=True)
class Runs:
    """Entries of a partition, with the least value and the least stratum among those of equal text."""

    rows: Entries
    value: Keys
    stratum: Keys
    start: NDArray[np.int64]  # where the run of each entry begins

    @property
    def stratum_of_alone(self) -> Keys:
        """The stratum that each entry without a value counts for: its own in a group, otherwise that of its equals."""
        own = self.rows["value"] == NONE
        strata: Keys = np.where(self.value != NONE, self.rows["stratum"], self.stratum)[own]
        return strata


def runs(found: Entries) -> Runs:
    """Entries as `read` gives them, with what those of equal text have in common."""
    start = first_of_each(found)
    firsts, place = np.unique(start, return_inverse=True)
    if not len(found):
        return Runs(found, found["value"], found["stratum"], start)
    values = np.where(found["value"] == NONE, HIGHEST, found["value"])
    least = np.minimum.reduceat(values, firsts)
    least = np.where(least == HIGHEST, NONE, least)
    strata = np.minimum.reduceat(found["stratum"], firsts)
    return Runs(found, least[place], strata[place], start)


def together(told: Iterable[Told]) -> Told:
    """What all shards or partitions tell."""
    links, units, names, rows = [np.zeros(0, LINK)], [np.zeros(0, UNIT)], dict[int, str](), 0
    for each in told:
        links.append(each.links)
        units.append(each.units)
        names |= each.strata
        rows += each.rows
        if sum(map(len, links[1:])) + sum(map(len, units[1:])) > FOLD_ROWS:
            links, units = [np.unique(np.concatenate(links))], [summed(np.concatenate(units))]
    return Told(np.unique(np.concatenate(links)), summed(np.concatenate(units)), names, rows)


@dataclass(frozen=True)
class Groups:
    """The group of each value, numbered in the order of their least values, which the seed has drawn."""

    values: Keys  # sorted
    group: NDArray[np.int64]
    count: int

    def of(self, values: Keys) -> NDArray[np.int64]:
        """The groups of these values."""
        found: NDArray[np.int64] = self.group[np.searchsorted(self.values, values)]
        return found


def groups_of(links: Entries, units: Entries) -> Groups:
    """The groups that links make of the values of units."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    values = np.unique(np.concatenate([units["value"], links["one"], links["other"]]))
    one, other = np.searchsorted(values, links["one"]), np.searchsorted(values, links["other"])
    graph = coo_array((np.ones(len(links), np.int8), (one, other)), shape=(len(values), len(values)))
    count, labels = connected_components(graph, directed=False)
    _, firsts = np.unique(labels, return_index=True)
    numbers = np.empty(count, np.int64)
    numbers[np.argsort(firsts)] = np.arange(count)
    return Groups(values, numbers[labels], int(count))
