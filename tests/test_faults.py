"""A run that is killed at any moment and run again ends with the bytes of one that was left alone (`make faults`)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.conftest import TinyRun
from tests.faults import fault
from tests.running import TINY, bytes_of

DRAW = random.Random(7)
MOMENTS = [DRAW.random() for _ in range(3)]  # of the time an undisturbed run takes


@pytest.mark.parametrize("moment", MOMENTS, ids=[f"{moment:.0%}" for moment in MOMENTS])
def test_a_killed_run_goes_on_to_the_same_bytes(moment: float, tiny_run: TinyRun, tmp_path: Path) -> None:
    found = fault(TINY, tmp_path / "ws", moment * tiny_run.seconds, bytes_of(tiny_run.workspace))
    assert not found.different, f"killed {found.stage}"
