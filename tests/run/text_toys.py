"""A tiny life of a model from text on: documents, chats and pairs, and the recipes over them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from tests.running import write_recipe, write_rows
from tests.train.train_toys import NOUNS, VERBS

TEXTS = """
name: texts
base: scratch:0.1M
seed: 1
data:
  notes:
    - {source: jsonl, path: notes.jsonl, domain: web}
    - {source: jsonl, path: code.jsonl, domain: code}
    - {pass: exact_dedup}
    - {pass: split, parts: {train: 0.7, validation: 0.1, test: 0.2}}
train:
  - {pretrain: model, data: notes, steps: 30, batch_size: 8, length: 32, learning_rate: 0.01,
     tokenizer: {vocabulary: 400}, init: {length: 64}}
evaluate:
  on: notes.test
  metrics: [bits_per_byte, perplexity]
  against: [untrained]
  gate: {bits_per_byte: {gain: {above: 0.5, to: untrained}}}
"""
CHATS = """
  chats:
    - {source: jsonl, path: chats.jsonl, text: answer}
    - {edit: to_chat, user: "{question}", assistant: "{text}"}
    - {pass: split, parts: {train: 0.8, validation: 0.2}}
"""
TUNED = "  - {sft: tuned, data: chats, steps: 4, batch_size: 8}\n"


def documents(count: int = 120) -> list[dict[str, object]]:
    """Documents of a few sentences on files."""
    draw = random.Random(0)

    def sentence() -> str:
        first, second = draw.sample(list(VERBS), 2)
        return f"To {first} the {draw.choice(NOUNS)} of {draw.choice(NOUNS)} {draw.randrange(99)}, {second} it first."

    return [{"text": " ".join(sentence() for _ in range(draw.randrange(2, 7)))} for _ in range(count)]


def text_toy(folder: Path, recipe: str = TEXTS, *, waive: Mapping[str, str] | None = None) -> Path:
    """A recipe beside documents and chats."""
    folder.mkdir(parents=True, exist_ok=True)
    given = documents()
    write_rows(folder / "notes.jsonl", given[:80])
    write_rows(folder / "code.jsonl", given[80:])
    write_rows(
        folder / "chats.jsonl",
        [
            {"question": f"how do i {verb} {noun} {n}", "answer": f"{told} the {noun} of {n}."}
            for n in range(6)
            for verb, told in VERBS.items()
            for noun in NOUNS
        ],
    )
    waivers = "".join(f"\n  - {{check: {name}, reason: {reason}}}" for name, reason in (waive or {}).items())
    return write_recipe(folder, recipe + (f"waive:{waivers}\n" if waivers else ""))
