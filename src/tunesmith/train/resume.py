"""Resume state on disk: written to a temporary name, renamed, and believed only if its hash says so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tunesmith.train.devices import here

KEPT = 2  # the newest, and the one before it in case the newest is damaged


def save_state(folder: Path, state: dict[str, object], step: int) -> None:
    """Write the state of a step; a kill or a power cut at any moment leaves the former state in force.

    Of several processes only the main one writes.
    """
    import torch

    if not here().is_main:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    path.with_suffix(".sha256").unlink(missing_ok=True)  # of a damaged state, or of another training
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    digest = _digest(partial)
    _replace(partial, path)
    _write(path.with_suffix(".sha256"), digest)
    _to_disk(folder)  # both names, before any former state goes
    # States of later steps are damaged or another training's: they would stand before this one.
    former = [one for one in _states(folder) if one < path][: KEPT - 1]
    _clear(folder, {path, *former})


def load_state(folder: Path, *, fingerprint: str) -> dict[str, object] | None:
    """The newest undamaged state of this very training (its settings and data), or None."""
    import torch

    for path in _states(folder):
        if _undamaged(path):
            state: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
            return state if state.get("fingerprint") == fingerprint else None
    return None


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"), reverse=True)


def _clear(folder: Path, kept: set[Path]) -> None:
    """Remove all states but these, and what killed writes and removals left of others."""
    for path in sorted(folder.glob("step-*")):
        if path.with_name(path.name.partition(".")[0] + ".pt") not in kept or path.suffix == ".part":
            path.unlink()


def _undamaged(path: Path) -> bool:
    beside = path.with_suffix(".sha256")
    return beside.exists() and beside.read_text().strip() == _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(text + "\n")
    _replace(partial, path)


def _replace(partial: Path, path: Path) -> None:
    """Give a file its name once its bytes are on disk: after a power cut a name never stands for half a file."""
    _to_disk(partial)
    os.replace(partial, path)


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
