"""The data checklist that `tunesmith check` prints: from the recipe, and from the last run once there was one."""

from __future__ import annotations

from pathlib import Path

from tests.running import run, write_recipe, write_rows

from tunesmith.recipe import load_recipe
from tunesmith.run.checks import data_checklist

RECIPE = """
name: checked
data:
  evals:
    - {source: jsonl, path: evals.jsonl, license: MIT}
  texts:
    - {source: jsonl, path: texts.jsonl, license: MIT}
    - {signal: words, keep: {min: 1}}
    - {pass: exact_dedup}
    - {pass: contamination, against: evals}
waive:
  - {check: pii, reason: numbers in words only}
"""


def lines(recipe: Path, workspace: Path) -> dict[str, str]:
    """The state of each item by its title."""
    found = list(data_checklist(load_recipe(recipe), workspace))[1:]
    return {line[12:].partition(":")[0]: line[2:11].strip() for line in found}


def test_before_a_run_the_recipe_tells_and_afterwards_the_run_does(tmp_path: Path) -> None:
    write_rows(tmp_path / "texts.jsonl", [{"text": f"this is text number {n}"} for n in range(9)])
    write_rows(tmp_path / "evals.jsonl", [{"text": "a question that nobody has written down before"}])
    recipe = write_recipe(tmp_path, RECIPE)
    before = lines(recipe, tmp_path / "ws")
    assert before["Exact duplicates removed"] == "planned"
    assert before["Overlap with test sets checked"] == "planned"  # evals are only compared with: they need no dedup
    assert before["Near-duplicates removed"] == "missing"
    assert before["Personal data removed"] == "waived"
    assert before["Data versioned"] == "open"
    run(recipe, tmp_path / "ws")
    after = lines(recipe, tmp_path / "ws")
    assert after["Exact duplicates removed"] == "done"
    assert after["Near-duplicates removed"] == "failed"
    assert after["Personal data removed"] == "waived"
    assert after["Data versioned"] == "done"
