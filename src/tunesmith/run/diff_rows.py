"""The rows of two datasets compared by id and content, a range of ids at a time, so that memory stays small."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.hashing import hash128

CONTENT = ("text", "messages", "tools", "chosen", "rejected", "target")
NEEDED = ("id", "source", "part", "copies", *CONTENT)
RANGES = 64  # of ids; ten million rows are 7 MB in each
ENTRY = np.dtype([("id", "S32"), ("content", "V16"), ("source", "<u4"), ("part", "<u4"), ("copies", "<u4")])
Tables = Iterable[pa.Table]
Entries = NDArray[np.void]


@dataclass
class RowsDiff:
    """What came of comparing: numbers by source, and the ids of rows that only one side has."""

    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    removed: list[NDArray[np.bytes_]] = field(default_factory=list)  # sorted, range by range
    added: list[NDArray[np.bytes_]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # the first of them

    @property
    def total(self) -> Counter[str]:
        """The numbers over all sources."""
        found: Counter[str] = Counter()
        for counts in self.by_source.values():
            found.update(counts)
        return found


def compare_rows(a: Tables, b: Tables, scratch: Path, *, shown: int = 5) -> RowsDiff:
    """Compare rows with NEEDED columns (absent ones are null); `scratch` is a folder for files in between."""
    names: dict[str, int] = {}
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for side, tables in (("a", a), ("b", b)):
            _spill(tables, scratch / side, names)
        return _compared(scratch, list(names), shown)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _spill(tables: Tables, folder: Path, names: dict[str, int]) -> None:
    """Write an entry for each row to the file of its range."""
    folder.mkdir(parents=True)
    files = [(folder / f"{number:02d}").open("wb") for number in range(RANGES)]
    try:
        for table in tables:
            entries = _entries(table, names)
            ranges = np.array([int(row_id[:2], 16) for row_id in entries["id"]], np.int64) * RANGES // 256
            for number in np.unique(ranges).tolist():
                files[number].write(entries[ranges == number].tobytes())
    finally:
        for file in files:
            file.close()


def _entries(table: pa.Table, names: dict[str, int]) -> Entries:
    entries = np.zeros(table.num_rows, ENTRY)
    entries["id"] = np.array(table["id"].to_pylist(), "S32")
    entries["content"] = np.frombuffer(b"".join(contents_of(table)), "V16")
    for column in ("source", "part"):
        values = table[column].to_pylist() if column in table.column_names else [None] * table.num_rows
        entries[column] = [names.setdefault(str(value or ""), len(names)) for value in values]
    entries["copies"] = pc.fill_null(table["copies"], 1).to_numpy() if "copies" in table.column_names else 1
    return entries


def contents_of(table: pa.Table) -> Iterator[bytes]:
    """A hash of each row's content: its texts, messages and target, whatever was measured on it."""
    columns = [name for name in CONTENT if name in table.column_names and not pa.types.is_null(table[name].type)]
    for row in table.select(columns).to_pylist() if columns else [{}] * table.num_rows:
        plain = {name: value for name, value in row.items() if value is not None}
        yield hash128([orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)])


def _compared(scratch: Path, names: list[str], shown: int) -> RowsDiff:
    diff = RowsDiff()
    for number in range(RANGES):
        a, b = (_once(np.fromfile(scratch / side / f"{number:02d}", ENTRY)) for side in ("a", "b"))
        in_b, in_a = np.isin(a["id"], b["id"]), np.isin(b["id"], a["id"])
        both_a, both_b = a[in_b], b[in_a]
        changes = {what: both_a[what] != both_b[what] for what in ("content", "part", "copies")}
        changed = np.any(list(changes.values()), axis=0)
        _count(diff, names, a["source"], "in_a")
        _count(diff, names, b["source"], "in_b")
        _count(diff, names, a[~in_b]["source"], "removed")
        _count(diff, names, b[~in_a]["source"], "added")
        _count(diff, names, both_b[changed]["source"], "changed")
        for what, mask in changes.items():
            _count(diff, names, both_b[mask]["source"], f"{what} changed")
        diff.removed.append(a[~in_b]["id"])
        diff.added.append(b[~in_a]["id"])
        diff.changed += [one.decode() for one in both_b[changed]["id"][: max(0, shown - len(diff.changed))]]
    return diff


def _once(entries: Entries) -> Entries:
    """The entries sorted by id, those of one id as one with the sum of their copies."""
    ordered = entries[np.argsort(entries["id"], kind="stable")]
    if not len(ordered):
        return ordered
    starts = np.flatnonzero(np.concatenate([[True], ordered["id"][1:] != ordered["id"][:-1]]))
    once = ordered[starts]
    once["copies"] = np.add.reduceat(ordered["copies"], starts)
    return once


def _count(diff: RowsDiff, names: list[str], sources: NDArray[np.uint32], what: str) -> None:
    for code, count in zip(*(part.tolist() for part in np.unique(sources, return_counts=True)), strict=True):
        diff.by_source.setdefault(names[code] or "unknown", Counter())[what] += count


def fates(
    ids: list[NDArray[np.bytes_]],
    told: Iterable[pa.Table],
    say: Callable[[Mapping[str, object]], str],
    *,
    shown: int = 3,
) -> dict[str, tuple[int, list[str]]]:
    """What became of rows by the tables (id, step, why) of another side: number and first ids by fate.

    The last that is told of a row counts; a row of which nothing is told was never read there.
    """
    wanted = np.concatenate([*ids, np.zeros(0, "S32")])
    fate = np.full(len(wanted), -1, np.int64)
    reasons: dict[str, int] = {}
    for table in told:
        given = np.array(table["id"].to_pylist(), "S32")
        places = np.minimum(np.searchsorted(wanted, given), max(0, len(wanted) - 1))
        hits = np.flatnonzero(wanted[places] == given).tolist() if len(wanted) else []
        for hit in hits:
            reason = say(table.slice(hit, 1).to_pylist()[0])
            fate[places[hit]] = reasons.setdefault(reason, len(reasons))
    found = {reason: fate == code for reason, code in reasons.items()} | {"never read": fate == -1}
    return {
        reason: (int(mask.sum()), [one.decode() for one in wanted[mask][:shown]])
        for reason, mask in found.items()
        if mask.any()
    }
