"""What every test needs: no network, no telemetry, and quiet tokenizers; and the tiny recipe, run once for all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # no test depends on how busy the machine is
settings.load_profile("untimed")

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["GOMP_SPINCOUNT"] = "0"  # tests share their cores: torch's threads sleep rather than turn while they wait


@dataclass(frozen=True)
class TinyRun:
    """tests/tiny.yaml, run through the command line: where, how it ended, what it printed, and its seconds."""

    workspace: Path
    code: int
    out: str
    seconds: float


def _run_tiny(workspace: Path, workers: int) -> TinyRun:
    import time

    from tests.running import TINY, cli

    begun = time.monotonic()
    done = cli("run", TINY, "--workspace", workspace, "--workers", str(workers))
    return TinyRun(workspace, done.code, done.all, time.monotonic() - begun)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The tiny recipe, run with one worker. Tests that change the workspace copy it first."""
    return _run_tiny(tmp_path_factory.mktemp("tiny") / "one_worker", 1)


@pytest.fixture(scope="session")
def tiny_twin(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The tiny recipe, run with two workers."""
    return _run_tiny(tmp_path_factory.mktemp("tiny") / "two_workers", 2)
