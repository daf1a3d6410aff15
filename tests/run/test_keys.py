"""A KEY stands for what a step does and what it is given: it changes with these, and with nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.running import artifacts, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest

RECIPE = """
name: keyed
seed: 7
data:
  texts:
    - {source: jsonl, path: texts.jsonl}
    - {signal: regex, pattern: a, keep: {max: 5}}
    - {signal: ./mine.py:size}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_rows(tmp_path / "texts.jsonl", [{"text": f"text number {n}"} for n in range(20)])
    (tmp_path / "words.txt").write_text("one\n")
    (tmp_path / "helper.py").write_text("FACTOR = 1\n")
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\nimport helper\n\n\ndef size(text):\n"
        "    words = Path(__file__).with_name('words.txt').read_text().split()\n"
        "    return helper.FACTOR * len(words)\n"
    )
    return write_recipe(tmp_path, RECIPE)


def keys(recipe: Path, workspace: Path) -> dict[str, str]:
    """The KEY of each step of a fresh run."""
    run(recipe, workspace, workers=1)
    return {read_manifest(folder).step: folder.name for folder in artifacts(workspace)}


def copied(recipe: Path, to: Path) -> Path:
    """The recipe with all it names, in another folder."""
    to.mkdir()
    for path in recipe.parent.iterdir():
        if path.is_file():
            shutil.copy(path, to)
    return to / recipe.name


def _new_day(recipe: Path) -> None:
    for path in recipe.parent.iterdir():
        os.utime(path, (1, 1))


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(recipe: Path) -> None:
        path = recipe.parent / name
        assert old in path.read_text("utf-8")
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        (_new_day, set()),
        (_edit("recipe.yaml", "name: keyed", "# a comment\nname: other"), set()),
        (_edit("recipe.yaml", "max: 5", "max: 6"), {"verdicts", "pass split"}),
        (_edit("recipe.yaml", "seed: 7", "seed: 8"), {"pass split"}),
        (_edit("recipe.yaml", "train: 0.5, test: 0.5", "train: 0.6, test: 0.4"), {"pass split"}),
        (_edit("recipe.yaml", "pattern: a", "pattern: b"), {"stretch", "verdicts", "pass split"}),
        (_edit("texts.jsonl", "number 3", "number three"), {"stretch", "verdicts", "pass split"}),
        (_edit("mine.py", "len(words)", "(len(words))"), {"stretch", "verdicts", "pass split"}),
        (_edit("helper.py", "1", "2"), {"stretch", "verdicts", "pass split"}),
        (_edit("words.txt", "one", "one two"), {"stretch", "verdicts", "pass split"}),
    ],
    ids=["day", "comment", "bound", "seed", "parts", "parameter", "row", "user code", "its import", "its data file"],
)
def test_a_change_gives_new_keys_to_the_steps_it_matters_to(
    change: Callable[[Path], None], steps: set[str], recipe: Path, tmp_path: Path
) -> None:
    before = keys(recipe, tmp_path / "ws")
    moved = copied(recipe, tmp_path / "elsewhere")
    change(moved)
    after = keys(moved, tmp_path / "ws2")
    assert {step for step in before if before[step] != after[step]} == steps


def test_a_rehearsal_never_stands_in_for_a_run(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "ws", rows=5)
    rehearsed = artifacts(tmp_path / "ws")
    outcome = run(recipe, tmp_path / "ws")
    assert outcome.lists["texts"].folder not in rehearsed
    assert outcome.lists["texts"].count() == 20
    assert outcome.report["changed"] == {}


def test_a_quantile_of_a_rehearsal_or_of_marked_rows_is_not_pinned_for_the_run(recipe: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "texts.jsonl", [{"text": "a " * n} for n in range(1, 21)])
    sets = {"data.texts.regex.keep": {"max": "p50"}}
    run(recipe, tmp_path / "ws", sets=sets, rows=4)
    run(recipe, tmp_path / "ws", sets=sets, mark=True)
    outcome = run(recipe, tmp_path / "ws", sets=sets)
    assert outcome.lists["texts"].count() == 10
