"""`tunesmith data version`: a version of what a run came to, as a folder of its own; and whether one is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.artifact import MANIFEST, Manifest, damaged, is_done, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import key_of
from tunesmith.data.dataset import Dataset
from tunesmith.data.lineage import Pinned
from tunesmith.data.version import write_version
from tunesmith.data.version_files import FILE_BYTES
from tunesmith.run.disk import disk_errors
from tunesmith.run.hold import held
from tunesmith.run.reports import named_list

VERSIONS = "versions"
KIND = "version"


def make_version(workspace: Path, name: str, to: Path | None = None, *, file_bytes: int = FILE_BYTES) -> Path:
    """Write the version of RUN[.LIST], under versions/NAME/KEY or to a new folder; gives where it is."""
    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is not empty.", "Name a folder that is not there yet.")
    with held(workspace):
        return keep_version(workspace, *named_list(workspace, name), to, file_bytes=file_bytes)


def keep_version(
    workspace: Path, name: str, dataset: Dataset, to: Path | None = None, *, file_bytes: int = FILE_BYTES
) -> Path:
    """Write a dataset's version, first under a name that nobody reads: what it will be called its content says."""
    home = workspace / VERSIONS / name if to is None else to.parent
    with disk_errors(home):
        return _written(workspace, name, dataset, home, to, file_bytes)


def _written(workspace: Path, name: str, dataset: Dataset, home: Path, to: Path | None, file_bytes: int) -> Path:
    started = home / f".{to.name if to else name}.{os.getpid()}.tmp"
    _clear(home)
    started.mkdir(parents=True)
    try:
        manifest = write_version(name, dataset, started, pinned=pins_of(workspace), file_bytes=file_bytes)
        folder = home / manifest.key if to is None else to
        if is_done(folder) and not damaged(folder):
            return folder  # it was there already
        if folder.exists():
            shutil.rmtree(folder)
        started.rename(folder)
    finally:
        shutil.rmtree(started, ignore_errors=True)
    return folder


def _clear(home: Path) -> None:
    """Remove what killed processes left half written."""
    for left in home.glob(".*.tmp") if home.is_dir() else ():
        if not Path(f"/proc/{left.name.split('.')[-2]}").exists():
            shutil.rmtree(left, ignore_errors=True)


def pins_of(workspace: Path) -> Pinned:
    """How to look up what a source pinned when it was first read in this workspace, such as a revision."""

    def pinned(reader: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
        given = {name: value for name, value in parameters.items() if name != "path"}
        memory = workspace / "cache" / "pins" / f"{key_of([reader, given])}.json"
        found: dict[str, object] = json.loads(memory.read_text("utf-8")) if memory.is_file() else {}
        return found

    return pinned


def find_version(workspace: Path, name: str) -> Path | None:
    """The folder of a version by its path, or by its KEY or the beginning of it; None if there is none."""
    if (Path(name) / MANIFEST).is_file() and read_manifest(Path(name)).kind == KIND:
        return Path(name)
    if len(name) < 4 or "/" in name:
        return None
    found = sorted(path.parent for path in (workspace / VERSIONS).glob(f"*/{name}*/{MANIFEST}"))
    if len(found) > 1:
        raise UserError(f"{len(found)} versions have a KEY that begins with {name!r}.", f"Say more: {found[0].name}")
    return found[0] if found else None


def verify(workspace: Path, name: str) -> tuple[Manifest, list[str]]:
    """The manifest of a version, and what is wrong with its files: damaged, missing, or not of it."""
    folder = find_version(workspace, name)
    if folder is None:
        raise UserError(f"{name} is no dataset version.", "Name its folder, or the KEY of one in the workspace.")
    manifest = read_manifest(folder)
    known = {MANIFEST, *manifest.files}
    faults = [f"{path} {'is damaged' if (folder / path).is_file() else 'is missing'}" for path in damaged(folder)]
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return manifest, faults + [f"{path} is not of it" for path in sorted(present - known)]
