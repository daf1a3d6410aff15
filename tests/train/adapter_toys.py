"""A small trained base, and adapters on it, for the tests of adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.train.train_toys import NOUNS, VERBS, chat, job_at, scratch_rows

from tunesmith.train.job import Adapter, Job, Scratch
from tunesmith.train.sft import sft

TINY = Scratch("0.1M", {"kind": "words", "vocabulary": 320}, {"copy": 0.5, "embedding_std": 0.05})
STEPS = {"ia3": 120, "prefix": 120, "prompt": 120, "bottleneck": 120}
STYLES: dict[str, Callable[[str, str], str]] = {  # what each toy adapter learns to answer instead of `Load the config.`
    "short": lambda verb, noun: f"{verb} {noun}.",
    "check": lambda verb, noun: f"Check the {noun}.",
}


def base_at(folder: Path, *, seed: int = 0, size: str = TINY.size) -> Path:
    """A base that answers scratch_rows."""
    rows = scratch_rows()
    sft(
        job_at(folder, replace(TINY, size=size), rows, seed=seed),
        steps=120,
        batch_size=16,
        learning_rate=1e-2,
        weight_decay=0.0,
    )
    return folder / "out"


def rows_in(style: str) -> list[dict[str, Any]]:
    """The rows of the base, with the answers of a style."""
    return [chat(f"{verb}_{noun}", STYLES[style](VERBS[verb], noun)) for verb in VERBS for noun in NOUNS]


def adapter_job(folder: Path, start: Path, kind: str | None, style: str = "short", **options: object) -> Job:
    """A job that trains an adapter; without a kind, one that goes on from where it starts."""
    rows = rows_in(style)
    job = job_at(folder, start, rows, validation=rows[:8])
    return job if kind is None else replace(job, adapter=Adapter(kind, options))


def adapter_at(folder: Path, start: Path, kind: str, style: str = "short", **options: object) -> Path:
    """A trained adapter."""
    sft(adapter_job(folder, start, kind, style, **options), steps=STEPS.get(kind, 60), batch_size=16)
    return folder / "out"
