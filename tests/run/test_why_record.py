"""`tunesmith why ID`: the whole story of a record, kept, dropped, replaced or quarantined."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import TinyRun
from tests.running import cli, report_of, rows_of, run, write_recipe, write_rows

from tunesmith.core.errors import UserError
from tunesmith.data.funnel import dropped_rows
from tunesmith.run.why import why

RECIPE = """
name: told
data:
  texts:
    - {source: jsonl, path: texts.jsonl, license: MIT}
    - {signal: ./mine.py:picky}
    - {signal: words, keep: {min: 2}}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
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
    return {"text": record["text"].upper()}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    write_rows(tmp_path / "texts.jsonl", [{"text": text} for text in ("short", "two words", "bad one", "more words")])
    return write_recipe(tmp_path, RECIPE)


def test_each_fate_of_a_record_is_told(recipe: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    outcome = run(recipe, workspace)
    kept = next(row for row in rows_of(outcome, "texts") if row["text"] == "two words")
    story = why(workspace, str(kept["id"]))
    assert "It was read from texts.jsonl, line 2 by the source jsonl; licence MIT." in story
    assert f"kept, in part {kept['part']}" in story
    assert "Measured: picky 9, words 2." in story
    assert "louder: became 1 record" in story
    [dropped] = [row for table in dropped_rows(outcome.lists["texts"]) for row in table.to_pylist()]
    assert "dropped by words: words 1 < min 2" in why(workspace, dropped["id"])
    [quarantine] = workspace.rglob("quarantine/*.jsonl")
    [bad_id] = re.findall(r'"id": "(\w{32})"', quarantine.read_text())
    assert "is in quarantine" in why(workspace, bad_id)
    assert "picky: ValueError: too bad (mine.py, line 4)" in why(workspace, bad_id)
    made = rows_of(outcome, "louder")[0]
    assert f"made from {made['parents'][0]}" in why(workspace, str(made["id"]))  # type: ignore[index]  # a list of ids


def test_the_newest_decision_is_told_when_a_bound_was_changed_and_changed_back(recipe: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    first = run(recipe, workspace)
    row_id = next(str(row["id"]) for row in rows_of(first, "texts") if row["text"] == "two words")
    run(recipe, workspace, sets={"data.texts.words.keep.min": 3})
    assert "dropped by words: words 2 < min 3" in why(workspace, row_id)
    run(recipe, workspace)
    assert "kept, in part" in why(workspace, row_id)


def test_the_beginning_of_an_id_will_do_where_it_is_the_only_one(recipe: Path, tmp_path: Path) -> None:
    rows = rows_of(run(recipe, tmp_path / "ws"), "texts")
    whole = str(rows[0]["id"])
    assert why(tmp_path / "ws", whole[:12]) == why(tmp_path / "ws", whole)
    with pytest.raises(UserError, match=r"records have an id that begins with ''"):
        why(tmp_path / "ws", "")
    with pytest.raises(UserError, match=r"has the id 'f00'"):
        why(tmp_path / "ws", "f00")


def test_a_training_row_names_the_checkpoints_that_saw_it(tiny_run: TinyRun) -> None:
    report = report_of(tiny_run.workspace, "tiny")
    samples = report["lists"]["functions"]["samples"]["kept"]  # type: ignore[index]  # nested mappings
    told = [cli("why", row["id"], "--workspace", tiny_run.workspace).out for row in samples[:4]]
    trained = [story for story in told if "in part train" in story]
    assert trained
    assert all(re.search(r"Checkpoints trained on it: .*tuned/\w{20}.*writer/\w{20}", story) for story in trained)
