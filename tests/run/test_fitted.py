"""A signal that learns from the corpus: from the rows kept so far, once, until it is measured again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.running import artifacts, rows_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import Mistakes
from tunesmith.recipe import load_recipe

TOYS = Path(__file__).parent / "fitted_toys.py"
RECIPE = """
name: fit
data:
  texts:
    - {source: jsonl, path: texts.jsonl}
    - {signal: words, keep: {max: 2}}
    - {signal: "./fitted_toys.py:oddness", as: oddness, keep: {max: 2}}
"""
TEXTS = ["four", "five5", "a text of many words that must not be learnt from", "eleven eleven"]


def prepare(folder: Path, texts: list[str] = TEXTS, recipe: str = RECIPE) -> Path:
    shutil.copy(TOYS, folder / TOYS.name)
    write_rows(folder / "texts.jsonl", [{"text": text} for text in texts])
    return write_recipe(folder, recipe)


def oddness(outcome: object) -> dict[object, object]:
    return {row["text"]: row["signal.oddness"] for row in rows_of(outcome, "texts")}  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_learns_from_the_rows_that_were_kept_so_far(tmp_path: Path, workers: int) -> None:
    assert oddness(run(prepare(tmp_path), tmp_path / "ws", workers=workers)) == {}
    mean = (4 + 5 + 13) / 3
    relaxed = run(tmp_path / "recipe.yaml", tmp_path / "ws", sets={"data.texts.oddness.keep.max": 9}, workers=workers)
    assert oddness(relaxed) == pytest.approx({"four": mean - 4, "five5": mean - 5, "eleven eleven": 13 - mean})


def test_what_it_learnt_is_pinned_until_it_is_measured_again(tmp_path: Path) -> None:
    recipe = prepare(
        tmp_path, recipe=RECIPE.replace('max: 2}}\n"', "").replace("keep: {max: 2}}\n", "keep: {max: 99}}\n")
    )
    before = oddness(run(recipe, tmp_path / "ws"))
    prepare(tmp_path, ["four", "a much longer word"], recipe.read_text("utf-8"))
    assert oddness(run(recipe, tmp_path / "ws"))["four"] == before["four"]
    assert oddness(run(recipe, tmp_path / "ws", remeasure=True))["four"] != before["four"]


def test_a_file_that_it_takes_is_part_of_the_key_and_has_to_exist(tmp_path: Path) -> None:
    recipe = prepare(tmp_path, recipe=RECIPE.replace('oddness",', 'oddness", extra: more.txt,'))
    with pytest.raises(Mistakes, match=r"'more.txt' does not exist"):
        load_recipe(recipe)
    (tmp_path / "more.txt").write_text("some text", "utf-8")
    run(recipe, tmp_path / "ws")
    models = set((tmp_path / "ws" / "models" / "texts").iterdir())
    (tmp_path / "more.txt").write_text("another text", "utf-8")
    run(recipe, tmp_path / "ws")
    assert len(set((tmp_path / "ws" / "models" / "texts").iterdir()) - models) == 1
    assert {read_manifest(path).step for path in artifacts(tmp_path / "ws")} == {"stretch", "verdicts"}


def test_its_model_is_not_the_users_to_set(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match="oddness has no parameter 'model'"):
        load_recipe(prepare(tmp_path, recipe=RECIPE.replace('oddness",', 'oddness", model: mine,')))
