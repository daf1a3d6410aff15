"""A disk that is full, or that may not be written to, told as what it is."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.core.errors import UserError

# What pyarrow, safetensors and tokenizers, torch, NumPy and SQLite say of a full disk where they give no errno.
DISK_FULL = (
    "No space left on device",
    "code: 28",
    "PytorchStreamWriter",
    "unexpected pos",
    " requested and ",
    "disk is full",
)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn a full disk into an error that says so; what was being written is not there, what was done stays."""
    try:
        yield
    except PermissionError as error:
        raise UserError(f"{error.filename or place}: {error.strerror}.", "Give yourself the right to it.") from error
    except Exception as error:  # torch, safetensors, tokenizers and SQLite each have their own for a full disk
        if not _is_disk_full(error):
            raise
        raise UserError(
            f"the disk of {place} is full.", "Make room and run again: it goes on where it stopped."
        ) from error


def _is_disk_full(error: BaseException | None) -> bool:
    if error is None:
        return False
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in str(error) for words in DISK_FULL) or _is_disk_full(error.__cause__ or error.__context__)
