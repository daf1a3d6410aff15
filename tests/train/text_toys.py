"""Small documents of two kinds, and a model that knows one of them, for the tests of training on text."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.train.train_toys import job_at

from tunesmith.train.job import Adapter, General, Job, Scratch
from tunesmith.train.pretrain import pretrain

PLANTED = ("zorbium", "quellic", "frandelate")  # words of the domain that general text does not have
PLAIN = ("the", "a", "river", "house", "stone", "bird", "walks", "sings", "over", "under", "near", "green", "old")


def documents(count: int, *, planted: bool, seed: int) -> list[dict[str, Any]]:
    """Sentences of plain words; in those of the domain every planted word follows one and the same plain word."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        words = rng.choices(PLAIN, k=40)
        if planted:
            for place in range(2, 38, 6):
                which = rng.randrange(3)
                words[place : place + 2] = [("green", "old", "near")[which], PLANTED[which]]
        rows.append({"text": " ".join(words)})
    return rows


def general_model(folder: Path, *, steps: int = 40) -> Path:
    """A tiny model that was trained on general text; its tokens are made from both kinds."""
    rows = documents(60, planted=False, seed=1)
    both = [*rows, *({**row, "weight": 0.0} for row in documents(20, planted=True, seed=2))]
    job = job_at(folder, Scratch("0.1M", tokenizer={"vocabulary": 400}), both)
    pretrain(job, steps=steps, batch_size=8, length=32, learning_rate=5e-3)
    return job.out


def domain_job(
    folder: Path, start: Path | Scratch, *, general: bool = True, adapter: Adapter | None = None, **given: Any
) -> Job:
    """Domain documents, held-out ones, and general text beside them."""
    job = job_at(
        folder,
        start,
        documents(60, planted=True, seed=3),
        validation=documents(20, planted=True, seed=4),
        **given,
    )
    beside = General(documents(60, planted=False, seed=1), documents(20, planted=False, seed=5))
    return replace(job, general=beside if general else None, adapter=adapter)
