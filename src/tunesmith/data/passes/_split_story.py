"""What a split tells people: its parts, its largest groups, its strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.record import SIGNAL
from tunesmith.data.edits.redact_pii import redact
from tunesmith.data.passes._divide import Division
from tunesmith.data.passes._together import Keys, keys_of, needed, values_of
from tunesmith.data.stream import Stream

LARGEST = 10
MOST = 50  # rows of a table
EXCERPT = 200  # characters
Numbers = NDArray[np.int64]


def story(stream: Stream, division: Division, names: Sequence[str], counts_SPG: Numbers) -> Mapping[str, object]:
    """What was found: counts by stratum and part, in groups and in none."""
    per_part, grouped = counts_SPG.sum(axis=(0, 2)).tolist(), counts_SPG[:, :, 0].sum(axis=0)
    asked = division.assign.shares
    groups = np.bincount(division.assign.part_of_group, minlength=len(names)).tolist()
    sentences = [parts_sentence(names, per_part, asked), _groups_sentence(division, int(grouped.sum()), names[0])]
    rows = [
        [name, n, wanted, share(n, sum(per_part)), count, n - int(held)]
        for name, n, wanted, count, held in zip(names, per_part, asked, groups, grouped, strict=True)
    ]
    columns = ["part", "rows", "asked", "realised", "groups", "rows in no group"]
    tables: list[object] = [{"title": "Parts", "columns": columns, "rows": rows}]
    if len(division.sizes):
        tables.append(_largest(stream, division, names))
    if division.names:
        tables.append(_strata(division, names, counts_SPG.sum(axis=2)))
    return {"sentences": [each for each in sentences if each], "tables": tables, "groups": len(division.sizes)}


def parts_sentence(names: Sequence[str], rows: Sequence[int], asked: Sequence[float] | None = None) -> str:
    """How many rows each part has."""
    wanted = [f", asked for {share:.1%}" for share in asked] if asked else [""] * len(names)
    told = [
        f"{name} {n:,} ({share(n, sum(rows)):.1%}{want})" for name, n, want in zip(names, rows, wanted, strict=True)
    ]
    return f"{sum(rows):,} rows: {', '.join(told)}."


def _groups_sentence(division: Division, grouped: int, first: str) -> str | None:
    if not len(division.sizes):
        return None
    told = f"{grouped:,} rows are in {len(division.sizes):,} groups, which are never parted"
    if division.joined:
        told += f"; equal texts put {division.joined:,} groups to others"
    if large := int(division.is_large.sum()):
        told += f"; {large:,} of them, too large for another part, went to {first}"
    return f"{told}."


def share(rows: int, total: int) -> float:
    """A share of a total, to four places."""
    return round(rows / total, 4) if total else 0.0


def _largest(stream: Stream, division: Division, names: Sequence[str]) -> dict[str, object]:
    order = np.lexsort((np.arange(len(division.sizes)), -division.sizes))[:LARGEST]
    groups = division.assign.groups
    one_of = {int(group): int(np.flatnonzero(groups.group == group)[0]) for group in order}
    called = _values(stream, division.columns, groups.values[list(one_of.values())])
    parts = division.assign.part_of_group
    rows = [
        [called[int(groups.values[place])], int(division.sizes[group]), names[parts[group]]]
        for group, place in one_of.items()
    ]
    return {"title": "Largest groups, each by one of its values", "columns": ["group", "rows", "part"], "rows": rows}


def _values(stream: Stream, columns: Sequence[str], wanted: Keys) -> dict[int, str]:
    """The values that keys stand for, looked up in one shard after another until all are found."""
    found: dict[int, str] = {}
    for shard in stream.shards:
        if len(found) == len(wanted):
            break
        table = stream.read(shard, needed(columns))
        keys = keys_of(table, columns, str(stream.seed))
        for row, column in np.argwhere(np.isin(keys, wanted)).tolist():
            value = values_of(table, columns[column])[row].as_py()
            name = columns[column].removeprefix(SIGNAL)
            found.setdefault(int(keys[row, column]), f"{name} {redact(value)[:EXCERPT]}")
    return found


def _strata(division: Division, names: Sequence[str], counts_SP: Numbers) -> dict[str, object]:
    totals = counts_SP.sum(axis=1)
    order = np.lexsort((np.arange(len(totals)), -totals))[:MOST]
    keys = division.assign.strata
    rows = [
        [division.names[int(keys[place])][:EXCERPT], int(totals[place])]
        + [share(int(n), int(totals[place])) for n in counts_SP[place]]
        for place in order.tolist()
    ]
    return {"title": "Strata: the share of each part", "columns": ["stratum", "rows", *names], "rows": rows}
