"""Holding a workspace that is whole: no other process works in it, and no erasure was left half done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.errors import UserError
from tunesmith.run.lock import locked

JOURNAL = "erasing.json"  # what is still to be erased; it is there only while that is so


def check_whole(workspace: Path) -> None:
    """Raise UserError where an erasure was interrupted: until it has ended, nothing else may read the workspace."""
    if (workspace / JOURNAL).exists():
        raise UserError(
            f"{workspace}: an erasure of records was interrupted.", "End it first: tunesmith data remove --resume"
        )


@contextmanager
def held(workspace: Path) -> Iterator[None]:
    """Hold a workspace that is whole; raises UserError if another process holds it."""
    if not workspace.is_dir():
        raise UserError(f"there is no workspace {workspace}.", "Name it with --workspace.")
    with locked(workspace):
        check_whole(workspace)
        yield
