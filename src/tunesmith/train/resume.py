"""Resume state on disk: written to a temporary name, renamed, and believed only if its hash says so."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

KEPT = 2  # the newest, and the one before it in case the newest is damaged


def save_state(folder: Path, state: dict[str, object], step: int) -> None:
    """Write the state of a step; a kill at any moment leaves the former state in force."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    digest = _digest(partial)
    os.replace(partial, path)
    _write(path.with_suffix(".sha256"), digest)
    for old in _states(folder)[KEPT:]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


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


def _undamaged(path: Path) -> bool:
    beside = path.with_suffix(".sha256")
    return beside.exists() and beside.read_text().strip() == _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(text + "\n")
    os.replace(partial, path)
