"""Test rows that also stand among the rows trained on are found before anything is scored, unasked."""

from __future__ import annotations

from pathlib import Path

from tests.running import Heard, write_recipe, write_rows

from tunesmith.core.executor import LocalExecutor
from tunesmith.recipe import load_recipe
from tunesmith.run.context import Context
from tunesmith.run.lists import run_list
from tunesmith.run.overlap import train_overlap

RECIPE = """
name: leaks
base: scratch:0.1M
data:
  known:
    - {source: jsonl, path: known.jsonl}
    - {edit: to_chat, user: "{text}", assistant: "{label}"}
    - {pass: split, parts: {train: 0.9, validation: 0.1}}
  official:
    - {source: jsonl, path: official.jsonl}
    - {edit: to_chat, user: "{text}", assistant: "{label}"}
    - {pass: split, parts: {test: 1.0}}
train:
  - {sft: model, data: known}
evaluate:
  on: official.test
  metrics: [accuracy]
"""


def test_leaked_rows_are_told_with_the_row_they_stand_in_and_the_others_are_clean(tmp_path: Path) -> None:
    known = [{"text": f"how do I change the pin of card number {n} abroad", "label": "pin"} for n in range(40)]
    official = [{"text": "Is there a fee for paying in another country?", "label": "fee"}]
    write_rows(tmp_path / "known.jsonl", known)
    write_rows(tmp_path / "official.jsonl", official)
    recipe = load_recipe(write_recipe(tmp_path, RECIPE))
    context = Context(recipe, tmp_path / "ws", LocalExecutor(1), Heard())
    lists = {name: run_list(context, data, {}) for name, data in recipe.data.items()}
    trained = [row for table in lists["known"].tables(part="train") for row in table.to_pylist()]
    leak = {"id": "leak", "messages": trained[0]["messages"]}
    own = [row for table in lists["official"].tables() for row in table.to_pylist()]
    found = train_overlap(context, [*own, leak], lists["official"], lists)
    assert found is not None
    assert found.counts == (1, 2)
    assert found.clean == [True, False]
    assert found.overlaps[1] == 1.0
    assert found.found_in[1] in {row["id"] for row in trained}
