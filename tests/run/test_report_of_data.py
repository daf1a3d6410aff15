"""What a report says about data: tables by source, domain and language, samples beside the bound, slow operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.running import cli, run, write_recipe, write_rows

from tunesmith.run import Outcome
from tunesmith.web.report import report_html

RECIPE = """
name: told
data:
  texts:
    - {source: jsonl, path: web.jsonl, as: web, domain: web, license: CC0-1.0, terms: none, selection: all of it}
    - {source: jsonl, path: books.jsonl, as: books, domain: books}
    - {signal: words, keep: {min: 10}}
    - {signal: language, keep: {deny: [fr]}}
"""
GERMAN = "Der Hund schläft unter dem Tisch und die Katze sitzt auf dem Dach des Hauses. "
FRENCH = "Le chat dort sur le toit de la maison et le chien mange dans le jardin du voisin. "


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("told")
    write_rows(folder / "web.jsonl", [{"text": " ".join(["word"] * n) + f". {GERMAN * (n > 5)}"} for n in range(40)])
    write_rows(folder / "books.jsonl", [{"text": FRENCH}, {"text": "Call me at jo@example.org, " * 9}])
    return run(write_recipe(folder, RECIPE), folder / "ws", workers=1)


def of_texts(outcome: Outcome) -> dict[str, Any]:
    return outcome.report["lists"]["texts"]  # type: ignore[index, no-any-return]  # nested mappings


def test_records_are_counted_by_source_domain_and_language(outcome: Outcome) -> None:
    by = of_texts(outcome)["by"]
    assert by["source"] == by["domain"] == {"web": {"in": 40, "kept": 34}, "books": {"in": 2, "kept": 1}}
    assert by["language"]["fr"] == {"in": 1, "kept": 0}


def test_dropped_rows_stand_beside_the_kept_ones_nearest_to_the_bound(outcome: Outcome) -> None:
    [words, language] = of_texts(outcome)["samples"]["dropped"]
    assert (words["reason"], words["bound"], len(words["rows"])) == ("words", "min 10", 6)
    assert all(row["why"].endswith("< min 10") for row in words["rows"])
    near = [row["value"] for row in words["near"]]
    assert near == sorted(near)
    assert len(near) == 10
    assert (language["reason"], language["near"]) == ("language", [])
    assert "beside 10 kept nearest to min 10" in report_html(outcome.report).replace("<b>", "").replace("</b>", "")


def test_samples_are_redacted(outcome: Outcome) -> None:
    assert "jo@example.org" not in str(outcome.report)


def test_the_source_that_dominates_is_told(outcome: Outcome) -> None:
    assert "texts: 97% of the kept records have the source 'web'." in outcome.report["warnings"]  # type: ignore[operator]  # a list
    assert 0 < of_texts(outcome)["diversity"]["source_entropy"] < 1


def test_the_slowest_operator_is_named_with_its_share(outcome: Outcome) -> None:
    operators = of_texts(outcome)["operators"]
    assert {"read", "words", "language", "write"} <= set(operators)
    assert list(operators.values()) == sorted(operators.values(), reverse=True)
    assert f"slowest: {next(iter(operators))}" in report_html(outcome.report)


def test_a_card_says_where_the_data_is_from_and_what_was_dropped(outcome: Outcome) -> None:
    workspace = outcome.folder.parents[1]
    done = cli("data", "card", "told", "--workspace", workspace)
    assert done.code == 0, done.all
    assert done.out.startswith("---\n")
    for told in ("cc0-1.0", "web", "books", "all of it", "min 10", "unknown"):
        assert told in done.out.lower(), done.out


def test_check_warns_about_a_source_without_a_licence(outcome: Outcome) -> None:
    done = cli("check", outcome.folder.parents[2] / "recipe.yaml")
    assert done.code == 0
    assert "data.texts[1]" in done.err
    assert "license: with its SPDX identifier" in done.err
    assert "data.texts[0]" not in done.err


def test_check_says_what_a_chat_log_is_taken_for(tmp_path: Path) -> None:
    write_rows(tmp_path / "log.jsonl", [{"instruction": "Add 2 and 2.", "input": "", "output": "4"}])
    done = cli("check", write_recipe(tmp_path, "name: c\ndata:\n  - {source: chats, path: log.jsonl, license: MIT}\n"))
    assert done.code == 0, done.all
    assert "log.jsonl is read as alpaca: 1 of the first 1 rows have instruction" in done.out
