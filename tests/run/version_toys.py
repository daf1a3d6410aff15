"""A small run for tests of versions: two sources, equal rows, a split, a maker, one unreadable line."""

from __future__ import annotations

from pathlib import Path

from tests.running import write_recipe, write_rows

RECIPE = """
name: kept
data:
  texts:
    - source: jsonl
      path: a.jsonl
      as: forum
      license: MIT
      date: 2024-05-01
      url: https://forum.example
      terms: ours
    - {source: jsonl, path: b.jsonl, as: pages}
    - {edit: redact_pii}
    - {signal: ./mine.py:picky}
    - {signal: words, keep: {min: 2}}
    - {pass: exact_dedup}
    - {pass: split, parts: {train: 0.6, test: 0.4}}
  louder:
    - from: texts
    - make: ./mine.py:louder
"""
MINE = """
def picky(text):
    if text == "bad one":
        raise ValueError("too bad")
    return len(text)


def louder(record):
    return [{"text": record["text"].upper() + "!" * n} for n in (1, 2)]
"""
SECRET = "a secret of somebody"


def toy(folder: Path) -> Path:
    """The recipe, with its data beside it."""
    plain = [{"text": f"forum text number {n}"} for n in range(30)]
    write_rows(folder / "a.jsonl", [*plain, {"text": SECRET}, {"text": "short"}, {"text": SECRET}, {"text": "bad one"}])
    write_rows(folder / "b.jsonl", [{"text": f"page number {n}"} for n in range(10)])
    with (folder / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write("{torn\n")
    (folder / "mine.py").write_text(MINE, "utf-8")
    return write_recipe(folder, RECIPE)
