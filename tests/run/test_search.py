"""A small search for settings: all is tried, validation decides, and the choice is on record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.running import Heard, report_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import Mistakes, UserError
from tunesmith.recipe import load_recipe
from tunesmith.run.search import combinations
from tunesmith.web.report import report_html

RECIPE = """\
name: searched
base: scratch:0.1M
data:
  rows:
    - {source: jsonl, path: rows.jsonl}
    - pass: split
      parts: PARTS
train:
  - sft: model
    steps: 6
    batch_size: 8
    tokenizer: {vocabulary: 300}
    search: SEARCH
waive:
  - {check: examples_least, reason: the test has few rows}
  - {check: validation_set, reason: a test of what the search says}
"""
PARTS = "{train: 0.8, validation: 0.2}"
SEARCH = "{learning_rate: [0.00001, 0.01], weight_decay: [0.0, 0.1]}"


def recipe(folder: Path, search: str = SEARCH, parts: str = PARTS) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"number {n % 7}"}]}
        for n in range(120)
    ]
    write_rows(folder / "rows.jsonl", rows)
    return write_recipe(folder, RECIPE.replace("SEARCH", search).replace("PARTS", parts))


def test_every_combination_is_trained_and_the_lowest_validation_loss_wins(tmp_path: Path) -> None:
    heard = Heard()
    run(recipe(tmp_path), tmp_path / "ws", show=heard)
    report = report_of(tmp_path / "ws", "searched")
    trials = report["searches"]["model"]  # type: ignore[index]  # a report is plain data
    assert [sorted(trial["settings"].items()) for trial in trials] != []
    assert len({json.dumps(trial["settings"], sort_keys=True) for trial in trials}) == 4
    losses = [trial["validation_loss"] for trial in trials]
    assert losses == sorted(losses)
    assert trials[0]["settings"]["learning_rate"] == 0.01
    won = report["artifacts"]["train.model"]  # type: ignore[index]
    assert won == f"checkpoints/{trials[0]['checkpoint']}"
    assert read_manifest(tmp_path / "ws" / won).parameters["learning_rate"] == 0.01
    assert any("best of 4 is learning_rate 0.01" in sentence for sentence in heard.said)
    assert "Settings tried for model" in report_html(report)


def test_a_second_run_trains_nothing_again(tmp_path: Path) -> None:
    run(recipe(tmp_path), tmp_path / "ws")
    heard = Heard()
    run(recipe(tmp_path), tmp_path / "ws", show=heard)
    assert not any(step.startswith("train") for step in heard.steps)


def test_a_search_without_validation_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a search needs validation rows"):
        run(recipe(tmp_path, parts="{train: 1.0}"), tmp_path / "ws")


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        ("{learning_rat: [0.1]}", "sft has no parameter 'learning_rat'"),
        ("{learning_rate: [fast]}", "'fast' will not do"),
        ("{learning_rate: 0.1}", "it takes a list of values"),
        ("[0.1]", "maps parameters to lists"),
        ("{max_length: [8, 16]}", "changes what validation loss measures"),
        ("{batch_size: [1, 2, 3, 4, 5], steps: [1, 2, 3, 4, 5]}", "more than 24 combinations"),
    ],
)
def test_a_mistake_in_a_search_is_named(tmp_path: Path, search: str, problem: str) -> None:
    with pytest.raises(Mistakes) as caught:
        load_recipe(recipe(tmp_path, search))
    assert problem in str(caught.value)


def test_what_changes_the_measure_of_preferences_is_not_searched(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    step = "  - {dpo: pref, data: rows, search: {beta: [0.1, 0.3]}}\n"
    path.write_text(path.read_text().replace("waive:\n", step + "waive:\n"))
    with pytest.raises(Mistakes, match="beta changes what validation loss measures"):
        load_recipe(path)


def test_combinations_come_in_the_order_of_the_recipe() -> None:
    assert list(combinations({"a": (1, 2), "b": (3,)})) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
