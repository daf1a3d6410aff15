"""Loops over the bytes of a batch, compiled by numba on first use and kept on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from numba import config


def _cache_folder() -> Path:
    """A folder for these very sources: numba would miss that a kernel calls a function of another file that changed."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tunesmith" / "kernels" / digest.hexdigest()[:16]


if not config.CACHE_DIR:  # NUMBA_CACHE_DIR of the environment stays
    config.CACHE_DIR = str(_cache_folder())
