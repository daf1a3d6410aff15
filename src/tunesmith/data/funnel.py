"""Where the records of a list went: read off its artifacts, and checked so that none can vanish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import Manifest, read_manifest
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import Dataset, below, open_dataset, read_shard, shard_path
from tunesmith.data.removed import REASON


@dataclass(frozen=True)
class Funnel:
    """The records of one list: in + made = kept + dropped + quarantined."""

    read: int
    made: int
    kept: int
    dropped: Mapping[str, int]  # reason -> records
    quarantined: int

    def as_json(self) -> dict[str, object]:
        """The counts as they stand in report.json."""
        return {
            "in": self.read,
            "made": self.made,
            "kept": self.kept,
            "dropped": dict(self.dropped),
            "quarantined": self.quarantined,
        }

    def __add__(self, other: Funnel) -> Funnel:
        return Funnel(
            self.read + other.read,
            self.made + other.made,
            self.kept + other.kept,
            dict(Counter(self.dropped) + Counter(other.dropped)),
            self.quarantined + other.quarantined,
        )


NOTHING = Funnel(0, 0, 0, {}, 0)


def chain(dataset: Dataset) -> list[Dataset]:
    """The datasets of the same list that a dataset was made from, first to last, and itself."""
    found = [dataset]
    while (feed := below(found[0].folder)) is not None and feed.parent.name == dataset.folder.parent.name:
        found.insert(0, open_dataset(feed))
    return found


def manifests(dataset: Dataset) -> list[Manifest]:
    """The manifests of a list's artifacts, first to last."""
    return [read_manifest(layer) for link in chain(dataset) for layer in link.layers]


def funnel(dataset: Dataset) -> Funnel:
    """The counts of a list; raises AssertionError if a record is unaccounted for."""
    steps = manifests(dataset)
    dropped: Counter[str] = Counter()
    for step in steps:
        dropped.update(cast(Mapping[str, int], step.counts.get("dropped", {})))
    total = Funnel(
        _int(steps[0], "in"),
        sum(_int(step, "made") for step in steps),
        dataset.count(),
        dict(dropped),
        sum(_int(step, "quarantined") for step in steps),
    )
    gone = total.read + total.made - total.kept - dropped.total() - total.quarantined
    assert gone == 0, f"{dataset.folder}: {gone} records are unaccounted for: {total}"
    return total


def own_funnel(dataset: Dataset, feed: Dataset) -> Funnel:
    """The counts of the records that a list fed from another one made itself; all others are counted there."""
    made = funnel(dataset).made
    if not made:
        return NOTHING
    fed = pa.chunked_array([chunk for table in feed.tables(["id"]) for chunk in table["id"].chunks], pa.string())
    known = fed.combine_chunks()
    kept = sum(len(_new(table["id"], known)) for table in dataset.tables(["id"]))
    dropped: Counter[str] = Counter()
    for table in dropped_rows(dataset):
        steps = table["step"].filter(pc.invert(pc.is_in(table["id"], value_set=known)))
        dropped.update(f"{step}: dropped" for step in steps.to_pylist())
    for step in manifests(dataset):
        if "shards" in step.facts:  # of what is erased, no row tells that it was dropped
            dropped[REASON] += cast(Mapping[str, int], step.counts.get("dropped", {})).get(REASON, 0)
    return Funnel(0, made, kept, dict(+dropped), made - kept - dropped.total())


def _new(ids: pa.ChunkedArray, known: pa.Array) -> pa.ChunkedArray:
    return ids.filter(pc.invert(pc.is_in(ids, value_set=known)))


def _int(manifest: Manifest, name: str) -> int:
    return int(cast(int, manifest.counts.get(name, 0)))


def steps_of(dataset: Dataset) -> list[dict[str, object]]:
    """The funnel step by step: what went in, what was made, what was dropped and why, what stayed."""
    steps: list[dict[str, object]] = []
    left = 0
    for manifest in manifests(dataset):
        if not steps:
            left = _int(manifest, "in")
            steps.append(
                {"step": "read", "in": left, "made": 0, "dropped": 0, "kept": left, "why": "", "key": manifest.key}
            )
        made = _int(manifest, "made")
        losses = {"quarantine: unreadable": _int(manifest, "quarantined")} if _int(manifest, "quarantined") else {}
        losses |= _in_order(manifest)
        for reason, dropped in losses.items():
            name, _, why = reason.partition(": ")
            kept = left + made - dropped
            steps.append(
                {
                    "step": name,
                    "in": left,
                    "made": made,
                    "dropped": dropped,
                    "kept": kept,
                    "why": why,
                    "key": manifest.key,
                }
            )
            left, made = kept, 0
        left += made
    return steps


def _in_order(manifest: Manifest) -> dict[str, int]:
    """The counts of a manifest by reason, in the order in which the bounds decided; a manifest itself is sorted."""
    bounds = cast("list[Mapping[str, object]]", manifest.parameters.get("bounds", []))
    order = {str(bound["step"]): number for number, bound in reversed(list(enumerate(bounds)))}
    counts = cast(Mapping[str, int], manifest.counts.get("dropped", {}))
    return dict(sorted(counts.items(), key=lambda item: (order.get(item[0].partition(": ")[0], 0), item[0])))


def dropped_rows(dataset: Dataset) -> Iterator[pa.Table]:
    """Every dropped row of a list, whole, with step and why."""
    for link in chain(dataset):
        for shard in range(link.shards):
            names = [name for name in link.columns if name != "kept"]
            for extra in ("step", "why"):
                if extra not in names:
                    names.append(extra)
            table = link.read(shard, [*names, "kept"], kept=False)
            yield table.filter(pc.fill_null(pc.equal(table["kept"], False), False)).drop_columns(["kept"])
        yield from replaced_rows(link)


def replaced_rows(link: Dataset) -> Iterator[pa.Table]:
    """The rows that a maker put others in the place of, as they were, with step and why."""
    feed = below(link.folder)
    if feed is None:
        return
    rows = open_dataset(feed)
    for shard in range(rows.shards):  # each was a task of its own
        path = shard_path(link.layers[0], shard, "dropped")
        if path.exists():
            gone = read_shard(path)
            table = rows.read(shard, [name for name in rows.columns if name not in ("kept", "step", "why")])
            places = pc.index_in(gone["id"], value_set=table["id"].combine_chunks())
            yield table.take(places).append_column("step", gone["step"]).append_column("why", gone["why"])


def signal_columns(dataset: Dataset) -> list[str]:
    """The numeric signals that were measured on a list, whatever layer holds them."""
    return sorted(name for name in dataset.columns if name.startswith(SIGNAL))


def find_row(datasets_folder: Path, row_id: str) -> Iterator[tuple[Dataset, Mapping[str, object]]]:
    """Every finished dataset that holds a row of this id (or one that begins so), with the row and its verdict."""
    for path in sorted(datasets_folder.glob("*/*/manifest.json")):
        dataset = open_dataset(path.parent)
        for shard in range(dataset.shards):
            ids = dataset.read(shard, ["id"], kept=False)["id"]
            hits = pc.indices_nonzero(pc.fill_null(pc.starts_with(ids.combine_chunks(), row_id), False)).to_pylist()
            for hit in hits[:1]:
                names = [*dataset.columns, *[name for name in ("step", "why", "kept") if name not in dataset.columns]]
                yield dataset, dataset.read(shard, names, kept=False).slice(hit, 1).to_pylist()[0]


def histogram(values: np.ndarray, *, bins: int = 30) -> tuple[list[float], list[int]]:
    """Edges and counts between the 0.5th and the 99.5th percentile; what lies outside is in the end bins."""
    if not len(values):
        return [], []
    low, high = np.percentile(values, [0.5, 99.5])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return edges.tolist(), counts.tolist()
