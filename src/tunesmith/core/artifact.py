"""An artifact: a folder that exists only once its manifest.json does. Everything a run leaves behind is one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json, file_sha256

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a step did, so that it can be known and repeated; nothing in it depends on the day or the machine."""

    kind: str  # dataset, checkpoint, review or report
    name: str
    key: str
    step: str
    version: int
    parameters: Mapping[str, object]
    inputs: Mapping[str, str] = field(default_factory=dict)  # role -> NAME/KEY of another artifact
    seed: int = 0
    counts: Mapping[str, object] = field(default_factory=dict)
    licenses: Mapping[str, int] = field(default_factory=dict)  # SPDX -> records
    facts: Mapping[str, object] = field(default_factory=dict)  # whatever else the step has to tell
    files: Mapping[str, str] = field(default_factory=dict)  # path inside the folder -> sha256
    schema_version: int = SCHEMA_VERSION


def is_done(folder: Path) -> bool:
    """Whether this artifact exists."""
    return (folder / MANIFEST).is_file()


def finish(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, last, with the hash of every file; from now on the artifact exists."""
    for path in files_of(folder):
        _to_disk(path)  # a manifest never speaks of a file that a power cut could still undo
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files_of(folder)}
    whole = Manifest(**{**asdict(manifest), "files": files})
    write_json(folder / MANIFEST, asdict(whole))
    return whole


def files_of(folder: Path) -> list[Path]:
    """The files of an artifact, sorted, without its manifest and without unfinished ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp"))
    return sorted(path for path in found if path != folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished artifact; raises UserError if there is none or it is from a newer version."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} holds no finished artifact.", "Run the recipe again: it goes on where it stopped.")
    fields = json.loads(path.read_text("utf-8"))
    if fields["schema_version"] > SCHEMA_VERSION:
        raise UserError(f"{path} was written by a newer tunesmith.", "Update tunesmith, or use another workspace.")
    return Manifest(**fields)


def damaged(folder: Path) -> list[str]:
    """The files of an artifact that no longer have the hash in its manifest."""
    manifest = read_manifest(folder)
    return [
        name for name, digest in manifest.files.items()
        if not (folder / name).is_file() or file_sha256(folder / name) != digest
    ]  # fmt: skip


@contextmanager
def replacing(path: Path, *, optional: bool = False) -> Iterator[Path]:
    """A temporary path that takes this path's place, whole and on disk, when the block ends without an error.

    With `optional`, a block that wrote nothing leaves nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if temporary.exists() or not optional:
            _to_disk(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write JSON that people can read, with sorted keys, under a temporary name first."""
    plain = json.loads(canonical_json(value))
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
