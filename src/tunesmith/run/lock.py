"""One run at a time in a workspace: a lock that dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.errors import UserError


@contextmanager
def locked(workspace: Path) -> Iterator[None]:
    """Hold the workspace; raises UserError if another process does."""
    _make(workspace)
    with (workspace / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise UserError(
                f"the workspace {workspace} is in use by another run (process {holder or 'unknown'}).",
                "Wait for it to end, or give this run its own with --workspace DIR.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _make(workspace: Path) -> None:
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UserError(
            f"{workspace} cannot be a workspace: {error.strerror}.", "Name a folder with --workspace."
        ) from None
