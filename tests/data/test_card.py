"""The card of a dataset: everything in it comes from a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.running import run, write_recipe

from tunesmith.data.card import card

RECIPE = """
name: cards
data:
  talk:
    - source: jsonl
      path: rows.jsonl
      as: forum
      license: CC-BY-SA-4.0
      domain: help
    - source: jsonl
      path: more.jsonl
      as: pages
    - edit: redact_pii
    - signal: words
      keep: {min: 3}
    - pass: exact_dedup
      keep: {duplicates: {max: 0}}
    - pass: split
      parts: {train: 0.5, test: 0.5}
"""


def lines(texts: list[str]) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("card")
    (folder / "rows.jsonl").write_text(lines([f"row number {n} of the | forum" for n in range(20)] + ["short"]) + "{\n")
    (folder / "more.jsonl").write_text(lines(["a page of its own"] * 2))
    outcome = run(write_recipe(folder, RECIPE), folder / "ws")
    return card("cards-talk", outcome.lists["talk"])


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_front_matter_is_yaml_with_what_a_hub_asks_for(text: str) -> None:
    matter = YAML(typ="safe").load(text.split("---\n")[1])
    assert matter["license"] == ["cc-by-sa-4.0", "unknown"]
    assert matter["size_categories"] == ["n<1K"]
    assert matter["tags"] == ["tunesmith", "document"]
    files = matter["configs"][0]["data_files"]
    assert {(file["split"], file["path"]) for file in files} == {("train", "train.parquet"), ("test", "test.parquet")}


def test_sources_stand_with_licence_domain_and_counts(text: str) -> None:
    rows = [
        line
        for line in section(text, "Sources").splitlines()
        if line.startswith("| forum") or line.startswith("| pages")
    ]
    assert [row.split(" | ")[-2:] for row in rows] == [["21", "20 |"], ["2", "1 |"]]
    assert "CC-BY-SA-4.0" in rows[0]
    assert "help" in rows[0]


def test_every_step_stands_with_its_parameters_and_what_it_lost(text: str) -> None:
    done = section(text, "Processing")
    assert "| signal words | words version 1 |" in done
    assert "| bound on words | keep signal.words: min 3 |" in done
    assert "| words | 23 | 0 | 1 | < min 3 | 22 |" in done
    assert "| quarantine | 24 | 0 | 1 | unreadable | 23 |" in done
    assert "| exact_dedup | 22 | 0 | 1 |" in done


def test_policies_say_plainly_what_ran_and_what_did_not(text: str) -> None:
    said = section(text, "Toxicity, adult content and personal data")
    assert "- Toxicity: not treated, since no toxicity ran." in said
    assert "- Personal data: edit redact_pii" in said
    assert "it changed the texts." in said


def test_limits_are_told_by_numbers(text: str) -> None:
    limits = section(text, "Known limits")
    assert "The licence of 1 of 21 records is not known." in limits
    assert "95% of the records are from the source forum." in limits
    assert "Languages were not identified." in limits
    assert "Exact duplicates" not in limits
    assert "in quarantine instead of the dataset: 1." in limits


def test_the_same_run_gives_the_same_card(text: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        lines([f"row number {n} of the | forum" for n in range(20)] + ["short"]) + "{\n"
    )
    (tmp_path / "more.jsonl").write_text(lines(["a page of its own"] * 2))
    again = run(write_recipe(tmp_path, RECIPE), tmp_path / "elsewhere")
    assert card("cards-talk", again.lists["talk"]) == text


def test_a_list_fed_from_another_tells_the_sources_of_that_one(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(lines(["one two three", "four"]))
    recipe = """
name: fed
data:
  first:
    - {source: jsonl, path: rows.jsonl, as: forum}
  second:
    - from: first
    - signal: words
      keep: {min: 2}
"""
    outcome = run(write_recipe(tmp_path, recipe), tmp_path / "ws")
    text = card("fed-second", outcome.lists["second"])
    assert "| forum | jsonl | rows.jsonl |" in text
    assert "1 document, kept of 2 records that were read." in text
    assert "### first" in text
    assert "### second" in text
