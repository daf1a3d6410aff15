"""What the docs show is run here: the README's recipe, the starter recipe, CONTRIBUTING's signal and its test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.core.registry import Named
from tunesmith.recipe import load_recipe
from tunesmith.recipe.starter import STARTER
from tunesmith.run.probe import probe
from tunesmith.train.preflight_rules import rules_table

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page, without the indentation that a list gives them."""
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, flags=re.S | re.M)
    return [re.sub(rf"^{indent}", "", code, flags=re.M) for indent, code in found]


@pytest.mark.parametrize("text", [STARTER, blocks("README.md", "yaml")[0]], ids=["starter", "README"])
def test_a_recipe_that_is_shown_has_no_mistakes(text: str, tmp_path: Path) -> None:
    (tmp_path / "examples.csv").write_text("question,answer\nWhat is it?,It is a test.\n")
    path = tmp_path / "recipe.yaml"
    path.write_text(text, "utf-8")
    recipe = load_recipe(path)
    assert list(probe(recipe)) == []  # its first rows can be read, and no bound drops half of them


def test_the_recipe_for_a_corpus_has_no_mistakes(tmp_path: Path) -> None:
    for name in ("crawl/a.warc.gz", "papers/a.pdf", "evals/a.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "recipe.yaml").write_text(blocks("README.md", "yaml")[1], "utf-8")
    labels = [step.label for step in load_recipe(tmp_path / "recipe.yaml").data["data"].steps]
    assert labels[:4] == ["warc", "pdf", "normalise_unicode", "redact_pii"]
    assert labels[-2:] == ["mix", "split"]


def test_the_signal_of_contributing_works_as_it_stands(tmp_path: Path) -> None:
    signal, test = blocks("CONTRIBUTING.md", "python")
    (tmp_path / "capitals.py").write_text(signal, "utf-8")
    test = test.replace("from tunesmith.data.signals.capitals import", "from capitals import")
    (tmp_path / "test_capitals.py").write_text(test, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--doctest-modules", "-p", "no:cacheprovider", "."]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout  # its test, and the examples in its docstring
    assert Named("signal", "./capitals.py:capitals", str(tmp_path)).load()("STOP") == 1.0


def test_no_page_names_a_path_of_somebodys_machine() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").glob("*.yaml")]
    for page in pages:
        assert not re.search(r"/(?:home|root|tmp|Users)/", page.read_text("utf-8")), page


def test_the_page_of_the_pre_flight_has_every_rule_as_it_is() -> None:
    text = (ROOT / "docs/preflight.md").read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("|")] == rules_table()
