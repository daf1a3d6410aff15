"""`tunesmith data remove`: new versions without some records, which no later run brings back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.data.dataset import Dataset
from tunesmith.data.removed import Removed, add_removed, digest_of, hits_of, read_removed
from tunesmith.run.disk import disk_errors
from tunesmith.run.hold import held
from tunesmith.run.removal import without_removed
from tunesmith.run.reports import list_of, read_report
from tunesmith.run.traces import checkpoints_that_saw, places_of, read_ids, rows_at, with_children
from tunesmith.run.versions import keep_version


@dataclass
class Removal:
    """What a removal did, or would do."""

    found: int = 0  # ids that a dataset here has
    missing: list[str] = field(default_factory=list)
    lists: dict[str, int] = field(default_factory=dict)  # RUN.LIST -> kept rows that leave it
    versions: list[Path] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)


def remove(workspace: Path, ids_file: Path, run: str | None = None, *, dry_run: bool = False) -> Removal:
    """Put records on the workspace's list of removed ones, and write a version without them of each list that has any.

    `run` limits it to the lists of one run, or to RUN.LIST. Raises UserError if no dataset here has any of the ids.
    """
    ids = read_ids(ids_file)
    with held(workspace), disk_errors(workspace):
        places = places_of(workspace, with_children(workspace, ids))
        rows = [row for base, shards in places.items() for row in rows_at(base, shards)]
        known = {str(row["id"]) for row in rows}
        listed = {one.digest for one in read_removed(workspace) if one.id is None}
        missing = [one for one in ids if one not in known and digest_of(one) not in listed]
        if not known:
            raise UserError(
                f"no dataset in {workspace} has any of the {len(ids)} ids in {ids_file}.", "Ids stand in data export."
            )
        done = Removal(len(known), missing, checkpoints=checkpoints_that_saw(workspace, places))
        given = f"asked for in {ids_file.name}"
        why = {one: given if one in ids else f"made from a record {given}" for one in sorted(known)}
        if not dry_run:
            add_removed(workspace, [Removed(digest_of(one), one, why=why[one]) for one in why])
        for name, full, dataset in lists_in(workspace, run):
            if hits := len(hits_of(dataset, why)):
                done.lists[name] = hits
                if not dry_run:
                    fewer = without_removed(workspace, dataset.folder.parent.name, dataset, why)
                    done.versions.append(keep_version(workspace, full, fewer))
    return done


def lists_in(workspace: Path, run: str | None) -> Iterator[tuple[str, str, Dataset]]:
    """The lists of every finished run, of one run, or RUN.LIST: each as RUN.LIST, as RUN-LIST, and its dataset."""
    wanted, _, listed = (run or "").partition(".")
    paths = sorted((workspace / "runs").glob("*/report.json"))
    for name in [wanted] if wanted else [path.parent.name for path in paths]:
        report = read_report(workspace, name)
        artifacts = cast(dict[str, str], report["artifacts"])
        names = [one.removeprefix("data.") for one in artifacts if one.startswith("data.")]
        for one in [listed] if listed else names:
            found, dataset = list_of(workspace, report, one)
            yield f"{name}.{found}", f"{name}-{found}", dataset


def told(done: Removal, *, dry_run: bool) -> Iterator[str]:
    """What was done, in sentences."""
    would = "would be" if dry_run else "are"
    yield f"{done.found:,} records {would} on the list of removed ones: no later run keeps them."
    if done.missing:
        yield f"{len(done.missing):,} ids are not here, such as {done.missing[0]}."
    for name, rows in done.lists.items():
        yield f"{name}: {rows:,} {'record' if rows == 1 else 'records'} fewer."
    yield from (f"Wrote {folder}." for folder in done.versions)
    yield from told_of_models(done.checkpoints)
    if not dry_run:
        yield "Earlier versions still hold them; --purge erases them. Run the recipe again to train without them."


def told_of_models(checkpoints: list[str]) -> Iterator[str]:
    """Which checkpoints learnt from the records."""
    if checkpoints:
        yield f"Checkpoints that were trained on them, and cannot unlearn them: {', '.join(checkpoints)}."
    else:
        yield "No checkpoint was trained on them."
