"""What an erasure has to do, worked out in full before the first byte changes, so that a killed one can go on.

Rows lie at the same places in a base and in each layer over it; once one of these files is rewritten, the places can
no longer be found, so the plan keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.artifact import Manifest, read_manifest
from tunesmith.data.dataset import Dataset, below, open_dataset, shard_path
from tunesmith.data.lineage import bound_of, bounds_in
from tunesmith.data.removed import REASON, STEP
from tunesmith.data.stretch import kind_of_why
from tunesmith.data.verdicts import Rule
from tunesmith.run.context import FOLDERS
from tunesmith.run.scrub import holds_any
from tunesmith.run.traces import Places, Row, bases, finished, quarantined, replaced, rows_at

Plan = dict[str, object]
Counts = dict[str, object]
WITH_ROWS = ("datasets",)
QUOTING = tuple(folder for folder in FOLDERS.values() if folder not in WITH_ROWS)


def plan_of(workspace: Path, ids: set[str], places: Places) -> Plan:
    """The files and manifests that change, and the folders that go, as JSON."""
    quoting = [f"{kind}/{one.parent.name}/{one.name}" for kind in QUOTING for one in _folders(workspace, kind)]
    return {
        "datasets": {ref: change for ref, change in _datasets(workspace, ids, places)},
        "quoting": quoting,
        "versions": [path.relative_to(workspace).as_posix() for path in versions_with(workspace, ids)],
        "caches": ["cache/passes", "cache/resume", "cache/diff.tmp"],
    }


def _folders(workspace: Path, kind: str) -> list[Path]:
    return sorted(path for path in (workspace / kind).glob("*/*") if path.is_dir())


def _datasets(workspace: Path, ids: set[str], places: Places) -> Iterator[tuple[str, Plan]]:
    for folder in finished(workspace):
        dataset = open_dataset(folder)
        manifest = read_manifest(folder)
        own = places.get(dataset.layers[0], {})
        shards = {
            str(shard): {"rows": own.get(shard, []), "of": pq.read_metadata(shard_path(folder, shard)).num_rows}
            for shard in range(dataset.shards)
        }
        if folder in bases(workspace):
            counts, licenses, facts = _base_counts(folder, manifest, ids, places)
        else:
            counts, licenses, facts = _layer_counts(dataset, manifest, own), dict(manifest.licenses), {}
        yield (
            folder.relative_to(workspace).as_posix(),
            {
                "shards": shards,
                "counts": counts,
                "licenses": licenses,
                "facts": facts,
            },
        )


def _base_counts(
    base: Path, manifest: Manifest, ids: set[str], places: Places
) -> tuple[Counts, dict[str, int], dict[str, object]]:
    """The counts of a base without its erased rows, so that no record is unaccounted for.

    A row that was read or made here is now one that was dropped on request; one that came from another dataset is
    counted there, and never came.
    """
    gone = rows_at(base, places.get(base, {}))
    feed = below(base)
    fed = _ids_in(open_dataset(feed), places) if feed else set()
    came = [row for row in gone if str(row["id"]) in fed]
    lost = [(step, why) for row_id, step, why in replaced(base) if row_id in ids]
    aside = sum(str(row.get("id")) in ids for _, rows in quarantined(base) for row in rows)
    counts: Counts = dict(manifest.counts)
    dropped = Counter(cast(Mapping[str, int], counts.get("dropped", {})))
    dropped.subtract(f"{step}: {kind_of_why(why)}" for step, why in lost)
    dropped[REASON] += len(gone) - len(came) + (0 if feed else aside)
    counts["in"] = cast(int, counts["in"]) - len(came) - len(lost) - (aside if feed else 0)
    counts["kept"] = cast(int, counts["kept"]) - len(gone)
    counts["quarantined"] = cast(int, counts.get("quarantined", 0)) - aside
    counts["dropped"] = dict(+dropped)
    return (
        counts,
        _without(manifest.licenses, gone, "license"),
        {"sources": _without(cast(Mapping[str, int], manifest.facts.get("sources", {})), gone, "source")},
    )


def _ids_in(dataset: Dataset, places: Places) -> set[str]:
    base = dataset.layers[0]
    return {str(row["id"]) for row in rows_at(base, places.get(base, {}))}


def _without(counts: Mapping[str, int], rows: Sequence[Row], column: str) -> dict[str, int]:
    left = Counter(counts)
    left.subtract(str(row[column] or "unknown") for row in rows)
    return dict(+left)


def _layer_counts(dataset: Dataset, manifest: Manifest, places: Mapping[int, list[int]]) -> Counts:
    """The counts of a layer without the erased rows that it had dropped."""
    counts: Counts = dict(manifest.counts)
    what = "marked" if "marked" in counts else "dropped"
    if what not in counts or not places:
        return counts
    lost = Counter(cast(Mapping[str, int], counts[what]))
    under = Dataset(dataset.layers[:-1], dataset.shards)
    bounds = [bound for bound in bounds_in(manifest) if bound.get("weight") is None]
    rules = [Rule(str(bound["step"]), str(bound["column"]), bound_of(bound)) for bound in bounds]
    for shard, rows in places.items():
        taken = pa.array(rows, pa.int64())
        before = under.read(shard, ["why"], kept=False)["why"].take(taken).to_pylist()
        columns = list(dict.fromkeys(["step", "why", *(rule.column for rule in rules)]))
        for was, row in zip(before, dataset.read(shard, columns, kept=False).take(taken).to_pylist(), strict=True):
            if was is None and row["why"] is not None:
                lost[_reason(row, rules)] -= 1
    counts[what] = dict(+lost)
    return counts


def _reason(row: Row, rules: Sequence[Rule]) -> str:
    """The reason that a dropped row was counted under."""
    if row["step"] == STEP:
        return REASON
    named = str(row["why"]).partition(" ")[0]
    rule = next(one for one in rules if one.step == row["step"] and one.column.removeprefix("signal.") == named)
    return rule.reason(row[rule.column])  # type: ignore[arg-type]  # a measured value


def versions_with(workspace: Path, ids: set[str]) -> list[Path]:
    """The dataset versions that hold a record or quote it: a version is what its KEY says, so each goes as a whole."""
    folders = finished(workspace, "versions")
    return [one for one in folders if any(holds_any(path, ids) for path in sorted((one / "data").glob("*.parquet")))]
