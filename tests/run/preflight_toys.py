"""A small base model, rows to tune it on, and ways to spoil either."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from tests.running import write_recipe, write_rows
from tests.train.train_toys import chat, job_at

from tunesmith.core.artifact import Manifest, finish
from tunesmith.models.template import folder_template_hash
from tunesmith.train.folder import write_start
from tunesmith.train.job import Scratch

Row = dict[str, object]
VERBS = ("load", "save", "check", "parse", "close", "open", "send", "read", "sort", "draw")
NOUNS = ("config", "file", "index", "name", "path", "table", "user", "value", "graph", "image", "cache", "model")
RECIPE = """
name: planted
goal: style
base: base
seed: 1
data:
  known:
    - {source: jsonl, path: known.jsonl, text: answer}
    - {edit: to_chat, user: "{question}", assistant: "{text}"}
    - {pass: split, parts: {train: 0.8, validation: 0.2}}
  official:
    - {source: jsonl, path: official.jsonl, text: answer}
    - {edit: to_chat, user: "{question}", assistant: "{text}"}
    - {pass: split, parts: {test: 1.0}}
train:
  - {sft: model, data: known, steps: 2, batch_size: 8}
evaluate:
  on: official.test
  metrics: [accuracy]
"""


def rows(start: int = 0, end: int = 240) -> list[Row]:
    """Rows such as load_config_0 -> Load the config of 0."""
    pairs = [(VERBS[n % len(VERBS)], NOUNS[n // len(VERBS) % len(NOUNS)], n) for n in range(start, end)]
    return [
        {"question": f"{verb}_{noun}_{n}", "answer": f"{verb.title()} the {noun} of {n}."} for verb, noun, n in pairs
    ]


def toy(
    folder: Path,
    known: Sequence[Mapping[str, object]] | None = None,
    *,
    recipe: str = RECIPE,
    waive: Mapping[str, str] | None = None,
) -> Path:
    """A recipe beside its base and its rows; nothing is wrong with any of them."""
    folder.mkdir(parents=True, exist_ok=True)
    job = job_at(folder, Scratch("0.1M"), [chat(str(row["question"]), str(row["answer"])) for row in rows()])
    write_start(job)
    job.out.rename(folder / "base")
    write_rows(folder / "known.jsonl", rows() if known is None else known)
    write_rows(folder / "official.jsonl", rows(240, 280))
    waivers = "".join(f"\n  - {{check: {name}, reason: {reason}}}" for name, reason in (waive or {}).items())
    return write_recipe(folder, recipe + (f"waive:{waivers}\n" if waivers else ""))


def configure(folder: Path, **changes: object) -> None:
    """Change the tokenizer's config of the base."""
    path = folder / "base" / "tokenizer_config.json"
    config = cast("dict[str, object]", json.loads(path.read_text("utf-8")))
    path.write_text(json.dumps({**config, **changes}), "utf-8")


def template_of(folder: Path) -> str:
    """The chat template of the base."""
    return str(json.loads((folder / "base" / "tokenizer_config.json").read_text("utf-8"))["chat_template"])


def as_checkpoint(folder: Path) -> None:
    """Let the base be a checkpoint that was trained here, with a manifest that knows its template."""
    base = folder / "base"
    facts = {"trainer": "sft", "steps": 2, "template": folder_template_hash(base)}
    finish(base, Manifest("checkpoint", "base", "0" * 20, "sft", 1, {}, facts=facts))
