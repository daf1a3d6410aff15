"""Where a dataset came from and how it was chosen, as plain data: sources, steps, bounds with what they excluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import Manifest, read_manifest
from tunesmith.core.bound import Bound
from tunesmith.data.dataset import Dataset, below, open_dataset
from tunesmith.data.funnel import chain
from tunesmith.data.urls import is_url

UNKNOWN = "unknown"  # said where nobody has said it
Facts = dict[str, object]
Pinned = Callable[[str, Mapping[str, object]], Mapping[str, object]]  # what a source pinned when it was first read


@dataclass(frozen=True)
class Link:
    """One artifact of a dataset, with its place: the folder's NAME is the list."""

    folder: Path
    manifest: Manifest

    @property
    def ref(self) -> str:
        """NAME/KEY."""
        return f"{self.folder.parent.name}/{self.folder.name}"


def lists_of(dataset: Dataset) -> list[Dataset]:
    """The lists that a dataset came through, each at its end: the first one has the sources."""
    found = [dataset]
    while (feed := below(chain(found[0])[0].folder)) is not None:
        found.insert(0, open_dataset(feed))
    return found


def links_of(dataset: Dataset) -> list[Link]:
    """Every artifact that a dataset stands on, first to last."""
    folders = [layer for each in lists_of(dataset) for link in chain(each) for layer in link.layers]
    return [Link(folder, read_manifest(folder)) for folder in folders]


def sources_of(dataset: Dataset, pinned: Pinned) -> list[Facts]:
    """Each source: name, place, version, licence, terms, dates and records; "unknown" where nobody said it."""
    kept, dated = _kept(dataset)
    found: list[Facts] = []
    for link in links_of(dataset):
        read = cast(Mapping[str, int], link.manifest.facts.get("sources", {}))
        steps = {str(step["as"]): step for step in steps_in(link.manifest) if step["kind"] == "source"}
        content = dict(zip(steps, cast(Sequence[str], link.manifest.parameters.get("content", [])), strict=False))
        for origin in cast(Sequence[Mapping[str, object]], link.manifest.facts.get("origins") or []):
            name = str(origin["source"])
            given = cast(Mapping[str, object], steps.get(name, {}).get("parameters", {}))
            first, last = dated.get(name, (None, None))
            found.append(
                {
                    **_said(origin, given, pinned(str(origin["reader"]), given)),
                    "content": content.get(name),
                    "first_record": first,
                    "last_record": last,
                    "records": read.get(name, 0),
                    "kept": kept.get(name, 0),
                }
            )
    return found


def _said(origin: Mapping[str, object], given: Mapping[str, object], pins: Mapping[str, object]) -> Facts:
    """What recipe and source say of a source."""
    path = origin.get("path")
    place = path if path is not None else given.get("url") or given.get("repo") or given.get("dataset")
    url = origin.get("url") or (path if isinstance(path, str) and is_url(path) else None)
    version = pins.get("revision") or given.get("revision") or origin.get("version")
    said = {"url": url, "version": version, **{name: origin.get(name) for name in ("license", "terms", "date")}}
    known = {name: UNKNOWN if value is None else value for name, value in said.items()}
    rest = {name: value for name, value in origin.items() if name in ("reader", "domain", "selection")}
    return {"source": origin["source"], "place": place, **rest, **known, "pinned": dict(pins)}


def _kept(dataset: Dataset) -> tuple[Counter[str], dict[str, tuple[str, str]]]:
    """The kept rows of each source, and the first and last date that its records carry."""
    kept: Counter[str] = Counter()
    dated: dict[str, tuple[str, str]] = {}
    columns = [name for name in ("source", "origin") if name in dataset.columns]
    for table in dataset.tables(columns) if "source" in columns else ():
        kept.update({str(pair["values"]): pair["counts"] for pair in table["source"].value_counts().to_pylist()})
        if "origin" not in columns or pa.types.is_null(table["origin"].type):
            continue
        dates = pa.table([table["source"], pc.struct_field(table["origin"], "date")], names=["source", "date"])
        ends = dates.filter(dates["date"].is_valid()).group_by("source").aggregate([("date", "min"), ("date", "max")])
        for row in ends.to_pylist():
            first, last = dated.get(row["source"], (row["date_min"], row["date_max"]))
            dated[row["source"]] = (min(first, row["date_min"]), max(last, row["date_max"]))
    return kept, dated


def steps_in(manifest: Manifest) -> list[Mapping[str, object]]:
    """The described steps of a stretch, or the one of a pass."""
    if "steps" in manifest.parameters:
        return cast(list[Mapping[str, object]], manifest.parameters["steps"])
    return [manifest.parameters] if {"kind", "name", "as"} <= manifest.parameters.keys() else []


def bounds_in(manifest: Manifest) -> list[Mapping[str, object]]:
    """The bounds that a layer of verdicts decided by, as they were written."""
    return cast(list[Mapping[str, object]], manifest.parameters.get("bounds", []))


def bound_of(bound: Mapping[str, object]) -> Bound:
    """A bound as it was written, to decide by."""
    limits = {name: value for name, value in bound.items() if name not in ("column", "step", "weight")}
    limits |= {name: tuple(value) for name, value in limits.items() if isinstance(value, list)}
    return Bound(**limits)  # type: ignore[arg-type]  # as it was written


def bound_text(bound: Mapping[str, object]) -> str:
    """A bound in words: "min 3"."""
    return str(bound_of(bound))


def artifacts_of(dataset: Dataset) -> list[Facts]:
    """Every artifact on the way with its steps, their parameters and its counts."""
    return [
        {
            "artifact": link.ref,
            "step": link.manifest.step,
            "version": link.manifest.version,
            "seed": link.manifest.seed,
            "steps": [
                {name: step.get(name) for name in ("kind", "name", "as", "on", "version", "parameters", "libraries")}
                for step in steps_in(link.manifest)
            ],
            "bounds": [dict(bound) for bound in bounds_in(link.manifest)],
            "counts": dict(link.manifest.counts),
            "inputs": dict(link.manifest.inputs),
        }
        for link in links_of(dataset)
    ]


def selection_of(dataset: Dataset) -> list[Facts]:
    """What was excluded: for each bound, and for each step that decides without one, how many and why."""
    return [criterion for link in links_of(dataset) for criterion in _criteria(link)]


def _criteria(link: Link) -> Iterator[Facts]:
    marked = cast(Mapping[str, int], link.manifest.counts.get("marked", {}))
    dropped = dict(cast(Mapping[str, int], link.manifest.counts.get("dropped", {})))
    bounds = bounds_in(link.manifest)
    for bound in sorted(bounds, key=lambda one: len(str(one["column"])), reverse=True):
        if bound.get("weight") is not None:
            continue
        why = {reason: count for reason, count in dropped.items() if _is_of(reason, bound)}
        dropped = {reason: count for reason, count in dropped.items() if reason not in why}
        yield _criterion(link, str(bound["step"]), f"{bound['column']}: {bound_text(bound)}", why, marked=bool(marked))
    for reason, count in dropped.items():
        step, _, what = reason.partition(": ")
        yield _criterion(link, step, what, {reason: count}, marked=False)
    if aside := cast(int, link.manifest.counts.get("quarantined", 0)):
        yield _criterion(link, "quarantine", "cannot be read or processed", {"quarantine": aside}, marked=False)


def _is_of(reason: str, bound: Mapping[str, object]) -> bool:
    """Whether a reason ("words: < min 20", "gopher: stop_words < min 2") was given by a bound."""
    step = str(bound["step"])
    measured = str(bound["column"]).removeprefix("signal.").removeprefix(step).removeprefix(".")
    return reason.startswith(f"{step}: {measured} ".replace(":  ", ": "))


def _criterion(link: Link, step: str, keeps: str, why: Mapping[str, int], *, marked: bool) -> Facts:
    facts: Facts = {"artifact": link.ref, "step": step, "keep": keeps, "excluded": sum(why.values()), "why": dict(why)}
    return facts | ({"marked": True} if marked else {})
