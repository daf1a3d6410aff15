"""Where real data for tests lies: in TUNESMITH_DATA, or in shared/data beside the checkout; tests skip without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """A folder or file of the data sets; the test is skipped where it is absent."""
    path = Path(os.environ.get("TUNESMITH_DATA", HERE)) / name
    if not path.exists():
        pytest.skip(f"{name} is not there; TUNESMITH_DATA names the folder of the data sets")
    return path
