"""`tunesmith data gc`: what no run's report and no kept version refers to any more is deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.core.artifact import MANIFEST, is_done, read_manifest
from tunesmith.run.context import FOLDERS
from tunesmith.run.disk import disk_errors
from tunesmith.run.hold import held

OF_PEOPLE = ("reviews", "frozen")  # what a person wrote or decided is never garbage
CACHES = ("cache/passes", "cache/resume")


@dataclass(frozen=True)
class Garbage:
    """Folders that are not needed, with their bytes."""

    folders: Mapping[Path, int]
    kept: int  # artifacts that are

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(self.folders.values())


def collect(workspace: Path, *, dry_run: bool = False) -> Garbage:
    """Delete what no report and no version refers to, unfinished artifacts and caches; with `dry_run`, only tell."""
    with held(workspace), disk_errors(workspace):
        needed = needed_by_runs(workspace)
        folders = [*_artifacts_but(workspace, needed), *unfinished(workspace), *_caches(workspace)]
        found = Garbage({folder: size_of(folder) for folder in folders}, len(needed))
        if not dry_run:
            for folder in folders:
                _delete(folder)
            drop_temporary(workspace)
    return found


def needed_by_runs(workspace: Path) -> set[Path]:
    """The artifacts that reports and versions name, and all that these were made from."""
    waiting = [*(workspace / ref for ref in _named(workspace)), *_pinned(workspace)]
    needed: set[Path] = set()
    while waiting:
        folder = waiting.pop()
        if folder in needed or not is_done(folder):
            continue
        needed.add(folder)
        waiting += [place for ref in read_manifest(folder).inputs.values() for place in _places(workspace, ref)]
    return needed | {report for report in _reports(workspace) if _is_of(workspace, report, needed)}


def _reports(workspace: Path) -> list[Path]:
    return [path.parent for path in sorted((workspace / "reports").glob(f"*/*/{MANIFEST}"))]


def _is_of(workspace: Path, report: Path, needed: set[Path]) -> bool:
    """Whether answers or verdicts are of data and models that are needed: a rerun would have to ask again."""
    places = [list(_places(workspace, ref)) for ref in read_manifest(report).inputs.values()]
    return read_manifest(report).inputs != {} and all(set(found) & needed for found in places if found) and any(places)


def _pinned(workspace: Path) -> Iterator[Path]:
    """The fitted models that a run holds on to until --remeasure."""
    pins = [path.read_text("utf-8") for path in sorted((workspace / "runs").glob("*/pins.json"))]
    for path in sorted((workspace / "models").glob(f"*/*/{MANIFEST}")):
        if any(path.parent.name in text for text in pins):
            yield path.parent


def _named(workspace: Path) -> Iterator[str]:
    for path in sorted((workspace / "runs").glob("*/report.json")):
        yield from cast(Mapping[str, str], json.loads(path.read_text("utf-8"))["artifacts"]).values()
    for path in sorted((workspace / "versions").glob(f"*/*/{MANIFEST}")):
        yield f"datasets/{read_manifest(path.parent).inputs['rows']}"


def _places(workspace: Path, ref: str) -> Iterator[Path]:
    """Where an input may lie: it says NAME/KEY, and not of what kind."""
    if ref.count("/") == 1 and not ref.startswith((".", "/")):
        yield from (workspace / kind / ref for kind in FOLDERS.values() if is_done(workspace / kind / ref))


def _artifacts_but(workspace: Path, needed: set[Path]) -> Iterator[Path]:
    for kind in FOLDERS.values():
        if kind not in OF_PEOPLE:
            found = (path.parent for path in sorted((workspace / kind).glob(f"*/*/{MANIFEST}")))
            yield from (folder for folder in found if folder not in needed)


def unfinished(workspace: Path) -> Iterator[Path]:
    """Artifacts that were begun and have no manifest; a round of review is open, not unfinished."""
    for kind in FOLDERS.values():
        if kind not in OF_PEOPLE:
            yield from (path for path in sorted((workspace / kind).glob("*/*")) if path.is_dir() and not is_done(path))
    yield from sorted((workspace / "versions").glob("*/.*.tmp"))


def drop_unfinished(workspace: Path) -> None:
    """Delete what was begun and not finished; a run makes it anew."""
    for folder in unfinished(workspace):
        _delete(folder)


def drop_temporary(workspace: Path) -> None:
    """Delete what killed processes left under temporary names; whoever holds the workspace has none open."""
    for left in sorted(workspace.rglob("*.tmp")):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _caches(workspace: Path) -> list[Path]:
    return [workspace / cache for cache in CACHES if size_of(workspace / cache)]


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _delete(folder: Path) -> None:
    """Delete a folder, its manifest first: what is half deleted does not exist."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()
