"""What the tests of preference tuning start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.train_toys import job_at, pair_rows, scratch_rows

from tunesmith.train.job import Scratch
from tunesmith.train.sft import sft


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers `loads the config`, the rejected way, and sometimes the chosen one."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tuned")
    rejected = [{"messages": [*row["messages"], *row["rejected"]]} for row in pair_rows()]
    start = Scratch("0.1M", {"kind": "words", "vocabulary": 320}, {"copy": 0.5, "embedding_std": 0.05})
    rows = rejected * 2 + scratch_rows()
    sft(job_at(folder, start, rows), steps=150, batch_size=16, learning_rate=1e-2, weight_decay=0.0)
    return folder / "out"
