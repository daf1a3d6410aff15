"""`tunesmith data diff A B`: what was added, removed and changed between two datasets, by source and by step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.artifact import is_done, read_manifest
from tunesmith.data.dataset import Dataset, open_dataset, read_shard
from tunesmith.data.funnel import chain
from tunesmith.data.lineage import Facts, bound_text, lists_of
from tunesmith.data.version import history_of
from tunesmith.run.diff_rows import NEEDED, compare_rows, fates
from tunesmith.run.hold import held
from tunesmith.run.reports import named_list
from tunesmith.run.traces import quarantined
from tunesmith.run.versions import find_version, pins_of

OF_A_SOURCE = ("content", "version", "place", "url", "license", "terms", "date")
OF_A_STEP = ("name", "version", "on", "parameters", "libraries")
ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Side:
    """One of the two: its history, its files if it is a version, and its dataset if the workspace has it."""

    name: str
    key: str
    history: Mapping[str, object]
    dataset: Dataset | None
    files: tuple[Path, ...] = ()

    def tables(self) -> Iterator[pa.Table]:
        """The rows with what a comparison needs."""
        for path in self.files:
            with pq.ParquetFile(path) as file:
                columns = [name for name in NEEDED if name in file.schema_arrow.names]
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                    yield pa.Table.from_batches([batch])
        if not self.files and self.dataset is not None:
            yield from self.dataset.tables([name for name in NEEDED if name in self.dataset.columns])


def diff(workspace: Path, a: str, b: str) -> dict[str, object]:
    """The differences of two of RUN, RUN.LIST, a version's folder or its KEY, as plain data."""
    with held(workspace):
        one, other = side_of(workspace, a), side_of(workspace, b)
        rows = compare_rows(one.tables(), other.tables(), workspace / "cache" / "diff.tmp")
        return {
            "a": {"name": one.name, "key": one.key},
            "b": {"name": other.name, "key": other.key},
            "rows": dict(rows.total),
            "by_source": {name: dict(counts) for name, counts in sorted(rows.by_source.items())},
            "changed": rows.changed,
            "removed": _fates(rows.removed, other),
            "added": _fates(rows.added, one),
            "sources": _changes(_by(one, "sources", "source"), _by(other, "sources", "source"), OF_A_SOURCE),
            "steps": _changes(_steps(one), _steps(other), OF_A_STEP),
            "bounds": _changes(_bounds(one), _bounds(other), ("keep",)),
            "counts": _changes(_counts(one), _counts(other), ("records",)),
        }


def side_of(workspace: Path, name: str) -> Side:
    """A version by its folder or KEY, or else a list of a run."""
    folder = find_version(workspace, name)
    if folder is None:
        full, dataset = named_list(workspace, name)
        return Side(full, dataset.folder.name, history_of(dataset, pins_of(workspace)), dataset)
    manifest = read_manifest(folder)
    rows = workspace / "datasets" / manifest.inputs["rows"]
    files = tuple(folder / path for path in sorted(cast(Mapping[str, object], manifest.facts["files"])))
    return Side(manifest.name, manifest.key, manifest.facts, open_dataset(rows) if is_done(rows) else None, files)


def _fates(ids: list, side: Side) -> list[Facts]:  # type: ignore[type-arg]  # arrays of ids, range by range
    """What became of rows on the side that does not have them, the most frequent first."""
    if side.dataset is None:
        count = sum(len(one) for one in ids)
        return (
            [{"fate": f"the workspace no longer has what {side.name} was made from", "records": count}] if count else []
        )
    found = fates(ids, _told(side.dataset), _fate)
    ordered = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return [{"fate": fate, "records": count, "ids": some} for fate, (count, some) in ordered]


def _told(dataset: Dataset) -> Iterator[pa.Table]:
    """id, step and why of every row that a dataset's lists read, first list first; and of those in quarantine."""
    for link in (link for each in lists_of(dataset) for link in chain(each)):
        for shard in range(link.shards):
            yield link.read(shard, ["id", "step", "why", "kept"], kept=False)
        for path in sorted((link.layers[0] / "dropped").glob("*.parquet")):
            yield read_shard(path)
        aside = [row for _, rows in quarantined(link.layers[0]) for row in rows]
        known = [row for row in aside if "id" in row]
        yield pa.table(
            [
                [row["id"] for row in known],
                [row.get("step") or "reading" for row in known],
                [row["error"] for row in known],
            ],
            schema=pa.schema([(name, pa.string()) for name in ("id", "step", "why")]),
        )


def _fate(row: Mapping[str, object]) -> str:
    """The fate of a row without its numbers, so that rows can be counted by it."""
    if row.get("kept") is True or row["why"] is None:
        return "kept, in another list or part"
    measured = str(row["why"]).partition(" ")[0]
    return f"dropped by {row['step']}" + ("" if measured == row["step"] or "." not in measured else f" ({measured})")


def _by(side: Side, what: str, name: str) -> dict[str, Facts]:
    return {str(one[name]): one for one in cast(Sequence[Facts], side.history[what])}


def _steps(side: Side) -> dict[str, Facts]:
    return {
        f"{str(artifact['artifact']).partition('/')[0]}: {step['kind']} {step['as']}": step
        for artifact in cast(Sequence[Facts], side.history["steps"])
        for step in cast(Sequence[Facts], artifact["steps"])
    }


def _bounds(side: Side) -> dict[str, Facts]:
    return {
        f"{str(artifact['artifact']).partition('/')[0]}: {bound['column']}": {"keep": bound_text(bound)}
        for artifact in cast(Sequence[Facts], side.history["steps"])
        for bound in cast(Sequence[Facts], artifact["bounds"])
    }


def _counts(side: Side) -> dict[str, Facts]:
    return {
        f"{row['step']}{': ' if row['why'] else ''}{row['why']}": {"records": row["dropped"] or row["kept"]}
        for row in cast(Sequence[Facts], side.history["funnel"])
    }


def _changes(a: Mapping[str, Facts], b: Mapping[str, Facts], compared: Sequence[str]) -> list[Facts]:
    """The named things that only one side has, or that differ in what is compared."""
    found: list[Facts] = []
    for name in dict.fromkeys([*a, *b]):
        if name not in a or name not in b:
            found.append({"name": name, "what": "added" if name in b else "removed"})
            continue
        changes = {what: (a[name].get(what), b[name].get(what)) for what in compared}
        found += [
            {"name": name, "what": what, "a": before, "b": after}
            for what, (before, after) in changes.items()
            if before != after
        ]
    return found


def told(found: Mapping[str, object]) -> Iterator[str]:
    """The differences in lines for people."""
    a, b = (cast(Mapping[str, str], found[side]) for side in ("a", "b"))
    rows = cast(Mapping[str, int], found["rows"])
    yield f"A {a['name']} {a['key']}: {rows.get('in_a', 0):,} records"
    yield f"B {b['name']} {b['key']}: {rows.get('in_b', 0):,} records"
    parts = [f"{rows.get(what, 0):,} {what}" for what in ("added", "removed", "changed")]
    how = [
        f"{rows[f'{what} changed']:,} in {what}"
        for what in ("content", "part", "copies")
        if rows.get(f"{what} changed")
    ]
    yield f"From A to B: {', '.join(parts)}{' (' + ', '.join(how) + ')' if how else ''}."
    yield from _told_by_source(found)
    yield from _told_fates(found)
    yield from _told_changes(found)


def _told_by_source(found: Mapping[str, object]) -> Iterator[str]:
    by_source = cast(Mapping[str, Mapping[str, int]], found["by_source"])
    columns = ("in_a", "in_b", "added", "removed", "changed")
    width = max([len("source"), *map(len, by_source)])
    yield "  ".join(["source".ljust(width), *(name.replace("_", " ").upper().rjust(9) for name in columns)])
    for name, counts in by_source.items():
        yield "  ".join([name.ljust(width), *(f"{counts.get(column, 0):,}".rjust(9) for column in columns)])


def _told_fates(found: Mapping[str, object]) -> Iterator[str]:
    for side, what, where in (("removed", "Removed", "B"), ("added", "Added", "A")):
        for fate in cast(Sequence[Facts], found[side]):
            ids = ", ".join(cast(Sequence[str], fate.get("ids", ())))
            yield f"{what}, in {where} {fate['fate']}: {fate['records']:,}{f' (such as {ids})' if ids else ''}."


def _told_changes(found: Mapping[str, object]) -> Iterator[str]:
    for kind in ("sources", "steps", "bounds", "counts"):
        for change in cast(Sequence[Facts], found[kind]):
            values = f": {_short(change['a'])} -> {_short(change['b'])}" if "a" in change else ""
            yield f"{kind.removesuffix('s').capitalize()} {change['name']}: {change['what']}{values}"


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
