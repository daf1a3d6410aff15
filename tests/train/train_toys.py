"""Small rows and jobs that the tests of the training room share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunesmith.train.job import Job, Scratch, Watch

VERBS = {"load": "Load", "save": "Save", "check": "Check", "parse": "Parse"}
NOUNS = ("config", "file", "index", "name", "path", "table", "user", "value")


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def scratch_rows() -> list[dict[str, Any]]:
    """32 rows such as load_config -> Load the config."""
    return [chat(f"{verb}_{noun}", f"{VERBS[verb]} the {noun}.") for verb in VERBS for noun in NOUNS]


def pair_rows() -> list[dict[str, Any]]:
    """32 pairs that prefer `Load the config.` to `loads the config`."""
    return [
        {
            "messages": row["messages"][:1],
            "chosen": row["messages"][1:],
            "rejected": [{"role": "assistant", "content": f"{verb}s the {noun}"}],
        }
        for row, (verb, noun) in zip(scratch_rows(), ((v, n) for v in VERBS for n in NOUNS), strict=True)
    ]


def job_at(
    folder: Path,
    start: Path | Scratch,
    rows: list[dict[str, Any]],
    *,
    validation: list[dict[str, Any]] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int, Mapping[str, float]], None] = lambda *_: None,
    watch: Watch | None = None,
) -> Job:
    return Job(start, rows, validation or [], folder / "out", folder / "resume", seed, say, progress, watch=watch)
