"""A preset stands for several signals with their bounds; a recipe changes what it wants of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.running import rows_of, run, write_recipe, write_rows

from tunesmith.core.bound import Bound
from tunesmith.core.errors import Mistakes
from tunesmith.core.registry import names
from tunesmith.recipe import load_recipe
from tunesmith.recipe.presets import bounds_of, preset_names, read_preset

HOUSE = """
help: What we want of a text.
records: documents
steps:
  - signal: words
    keep: {min: 2}
    why: the house
  - signal: regex
    as: shouting
    pattern: "!"
    keep: {max: 0}
    why: the house
"""
RECIPE = "name: p\ndata:\n  texts:\n    - {source: jsonl, path: texts.jsonl}\n    - "


def steps(folder: Path, line: str) -> dict[str, dict[str, Bound]]:
    write_rows(folder / "texts.jsonl", [{"text": "one"}, {"text": "two words"}, {"text": "two words!"}])
    (folder / "house.yaml").write_text(HOUSE, "utf-8")
    recipe = load_recipe(write_recipe(folder, RECIPE + line + "\n"))
    return {step.label: dict(step.keep) for step in recipe.data["texts"].steps if step.kind == "signal"}


def test_a_preset_becomes_its_signals_with_their_bounds(tmp_path: Path) -> None:
    found = steps(tmp_path, "{preset: ./house.yaml}")
    assert found == {"house_words": {"": Bound(min=2)}, "house_shouting": {"": Bound(max=0)}}


def test_the_rows_that_a_preset_drops_say_which_of_its_bounds_did_it(tmp_path: Path) -> None:
    steps(tmp_path, "{preset: ./house.yaml}")
    outcome = run(tmp_path / "recipe.yaml", tmp_path / "ws")
    assert [row["text"] for row in rows_of(outcome, "texts")] == ["two words"]
    assert outcome.report["lists"]["texts"]["dropped"] == {"house_words: < min 2": 1, "house_shouting: > max 0": 1}  # type: ignore[index]  # nested


def test_a_recipe_changes_bounds_names_and_parameters_and_leaves_signals_out(tmp_path: Path) -> None:
    assert steps(tmp_path, "{preset: ./house.yaml, as: ours, keep: {words: {min: 5}}, without: [shouting]}") == {
        "ours_words": {"": Bound(min=5)}
    }
    assert "house_shouting" in steps(tmp_path, "{preset: ./house.yaml, parameters: {shouting: {pattern: '[?]'}}}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{preset: house}", "there is no preset 'house'"),
        ("{preset: ./house.yaml, keep: {word: {min: 5}}}", "Did you mean 'words'?"),
        ("{preset: ./house.yaml, without: [shout]}", "has no signal 'shout'"),
        ("{preset: ./house.yaml, kep: {}}", "Did you mean 'keep'?"),
        ("{preset: ./house.yaml, keep: 3}", "names no signal"),
        ("{preset: ./house.yaml, keep: {words: 3}}", "3 is no mapping"),
        ("{preset: ./recipe.yaml}", "is not a preset"),
    ],
)
def test_a_mistake_in_a_preset_is_told_with_a_remedy(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(Mistakes, match=r"data.texts\[1\].*\(line 5\)") as caught:
        steps(tmp_path, line)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_every_bound_of_a_preset_names_a_signal_and_its_source(name: str) -> None:
    assert str(read_preset(name)["help"]).endswith(".")
    assert {str(step["signal"]) for step in read_preset(name)["steps"].values()} <= set(names("signal"))  # type: ignore[attr-defined]  # a mapping
    assert all(why for _, _, why in bounds_of(name))
