"""Preference tuning in a recipe: thumbs from a file, losses by weight, and what is watched in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.running import run, write_recipe, write_rows
from tests.train.train_toys import pair_rows

from tunesmith.core.errors import Mistakes
from tunesmith.recipe import load_recipe
from tunesmith.run import Outcome
from tunesmith.web.report import report_html

RECIPE = """
name: thumbs
base: scratch:0.1M
data:
  chats:
    - {source: jsonl, path: chats.jsonl, license: CC0-1.0}
    - {pass: split, parts: {train: 0.75, validation: 0.25}}
  pairs:
    - {source: jsonl, path: pairs.jsonl, license: CC0-1.0}
    - {pass: split, parts: {train: 0.75, validation: 0.25}}
train:
  - {sft: writer, data: chats, tokenizer: {kind: words, vocabulary: 320}, steps: 20, learning_rate: 0.01, watch: true}
  - {kto: judged, data: chats, steps: 3}
  - {dpo: mixed, data: pairs, from: writer, steps: 3, loss: {sigmoid: 0.8, bco_pair: 0.2}, ld_alpha: 0.5}
  - {kto: unpaired, data: pairs, from: writer, steps: 3, loss: apo_zero_unpaired, meaning_margin: null}
waive:
  - {check: examples_least, reason: the test has few rows}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("thumbs")
    return run(written(folder, RECIPE), folder / "ws", workers=1)


def written(folder: Path, recipe: str) -> Path:
    write_rows(folder / "pairs.jsonl", pair_rows())
    chats = [
        {"messages": [*row["messages"], *row[side]], "desirable": side == "chosen", "lang": "en"}
        for row in pair_rows()
        for side in ("chosen", "rejected")
    ]
    write_rows(folder / "chats.jsonl", chats)
    return write_recipe(folder, recipe)


def curve(outcome: Outcome, step: str) -> list[dict[str, Any]]:
    return outcome.report["curves"][step]  # type: ignore[index, no-any-return]  # nested mappings


def test_thumbs_of_a_file_become_a_column(outcome: Outcome) -> None:
    ((table,),) = [list(outcome.lists["chats"].tables(["desirable", "meta"]))]
    assert sorted(table["desirable"].to_pylist()) == [False] * 32 + [True] * 32
    assert {json.loads(meta)["lang"] for meta in table["meta"].to_pylist()} == {"en"}


@pytest.mark.parametrize("step", ["judged", "mixed", "unpaired"])
def test_what_is_watched_stands_in_the_curve_from_the_start_on(outcome: Outcome, step: str) -> None:
    points = curve(outcome, step)
    assert [point["step"] for point in points] == [0, 1, 2, 3]
    assert all({"validation_meaning", "validation_words", "validation_loss"} <= set(point) for point in points)
    assert all(0 <= point["validation_meaning"] <= 1 for point in points)


def test_supervised_tuning_watches_where_it_is_asked_to(outcome: Outcome) -> None:
    points = curve(outcome, "writer")
    assert points[0]["step"] > 0
    assert "validation_meaning" in points[-1]


def test_the_page_draws_what_is_watched(outcome: Outcome) -> None:
    page = str(report_html(outcome.report))
    assert "<b>validation meaning</b>" in page
    assert "<b>validation words</b>" in page


def test_a_loss_that_is_not_there_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match="'sigmod' will not do"):
        load_recipe(written(tmp_path, RECIPE.replace("loss: apo_zero_unpaired", "loss: sigmod")))
