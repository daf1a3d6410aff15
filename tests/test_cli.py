"""The verbs that write and list: what `new` writes can be checked, and `list` knows every kind."""

from __future__ import annotations

from pathlib import Path

from tests.running import cli, rows_of, run, write_recipe, write_rows

from tunesmith.core.registry import KINDS, help_of, names

FED = """
name: fed
data:
  all:
    - {source: jsonl, path: rows.jsonl}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
  some:
    - from: all.train
    - {signal: words}
"""


def test_a_new_recipe_has_no_mistakes_once_its_data_is_there(tmp_path: Path) -> None:
    assert cli("new", cwd=tmp_path).code == 0
    without = cli("check", "recipe.yaml", cwd=tmp_path)
    assert (without.code, "examples.csv" in without.err) == (2, True), without.all
    (tmp_path / "examples.csv").write_text("question,answer\nWhat is it?,It is a test.\n")
    done = cli("check", "recipe.yaml", cwd=tmp_path)
    assert (done.code, "no mistakes" in done.out) == (0, True), done.all


def test_a_new_recipe_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("mine\n")
    done = cli("new", cwd=tmp_path)
    assert (done.code, "recipe.yaml exists" in done.err) == (2, True), done.all
    assert (tmp_path / "recipe.yaml").read_text() == "mine\n"


def test_every_name_of_every_kind_is_listed_with_its_help() -> None:
    done = cli("list")
    assert done.code == 0, done.all
    assert [line[:-1] for line in done.out.splitlines() if not line.startswith(" ")] == [*KINDS, "preset"]
    for kind in KINDS:
        for name in names(kind):
            assert f"  {name:<18} {help_of(kind, name)}" in done.out.splitlines()


def test_a_list_that_is_fed_from_a_part_holds_the_rows_of_that_part(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"text": f"text number {n}"} for n in range(40)])
    outcome = run(write_recipe(tmp_path, FED), tmp_path / "ws", workers=1)
    fed, train = rows_of(outcome, "some"), rows_of(outcome, "all", "train")
    assert 0 < len(train) < 40
    assert [row["id"] for row in fed] == [row["id"] for row in train]
    assert {row["part"] for row in fed} == {"train"}
