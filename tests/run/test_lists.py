"""A data list as a user sees it: what is kept, what is dropped and why, and what a change costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.running import Heard, artifacts, rows_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError, Waiting
from tunesmith.data.funnel import dropped_rows, funnel

RECIPE = """
name: small
data:
  texts:
    - {source: jsonl, path: texts.jsonl, id: key}
    - {signal: words, keep: {min: 2}}
    - {signal: characters, keep: {max: 40}}
    - {pass: exact_dedup}
"""
TEXTS = ["one", "two words", "two words", "a text of more than forty characters, as it seems", "three words here"]


def small(folder: Path, recipe: str = RECIPE) -> Path:
    write_rows(folder / "texts.jsonl", [{"key": str(n), "text": text} for n, text in enumerate(TEXTS)])
    return write_recipe(folder, recipe)


def test_every_row_is_kept_or_dropped_with_its_number(tmp_path: Path) -> None:
    outcome = run(small(tmp_path), tmp_path / "ws")
    assert [row["text"] for row in rows_of(outcome, "texts")] == ["two words", "three words here"]
    counts = funnel(outcome.lists["texts"])
    assert counts.read == 5
    assert counts.dropped == {"words: < min 2": 1, "characters: > max 40": 1, "exact_dedup: duplicates > max 0": 1}
    whys = {row["text"]: row["why"] for table in dropped_rows(outcome.lists["texts"]) for row in table.to_pylist()}
    assert whys["one"] == "words 1 < min 2"
    assert whys["two words"] == "exact_dedup.duplicates 1 > max 0"


def test_a_changed_bound_measures_nothing_anew(tmp_path: Path) -> None:
    recipe = small(tmp_path)
    run(recipe, tmp_path / "ws")
    before = {path: (path / "manifest.json").stat().st_mtime_ns for path in artifacts(tmp_path / "ws")}
    outcome = run(recipe, tmp_path / "ws", sets={"data.texts.words.keep.min": 3})
    new = [read_manifest(path).step for path in artifacts(tmp_path / "ws") - before.keys()]
    assert "stretch" not in new
    assert [row["text"] for row in rows_of(outcome, "texts")] == ["three words here"]
    assert all((path / "manifest.json").stat().st_mtime_ns == time for path, time in before.items())


def test_mark_drops_nothing_and_says_what_would_go(tmp_path: Path) -> None:
    outcome = run(small(tmp_path), tmp_path / "ws", mark=True)
    assert len(rows_of(outcome, "texts")) == len(TEXTS)
    assert next(row["why"] for row in rows_of(outcome, "texts")) == "words 1 < min 2"


def test_an_inserted_line_changes_no_id_and_equal_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    recipe = "name: ids\ndata:\n  texts:\n    - {source: jsonl, path: '*.jsonl'}\n"
    write_rows(tmp_path / "a.jsonl", [{"text": "same"}, {"text": "other"}])
    write_rows(tmp_path / "b.jsonl", [{"text": "same"}])
    before = rows_of(run(write_recipe(tmp_path, recipe), tmp_path / "ws"), "texts")
    assert len({row["id"] for row in before}) == 3
    write_rows(tmp_path / "a.jsonl", [{"text": "new"}, {"text": "same"}, {"text": "other"}])
    after = rows_of(run(tmp_path / "recipe.yaml", tmp_path / "ws"), "texts")
    assert {row["id"] for row in before} < {row["id"] for row in after}


def test_a_quantile_is_pinned_until_it_is_measured_again(tmp_path: Path) -> None:
    recipe = small(tmp_path, RECIPE.replace("keep: {min: 2}", "keep: {max: p50}").replace("max: 40", "max: 400"))
    first = run(recipe, tmp_path / "ws")
    bound = "words: > max 2"
    assert bound in funnel(first.lists["texts"]).dropped
    write_rows(tmp_path / "texts.jsonl", [{"key": str(n), "text": "many more words than before"} for n in range(9)])
    assert funnel(run(recipe, tmp_path / "ws").lists["texts"]).dropped == {bound: 9}
    again = run(recipe, tmp_path / "ws", remeasure=True)
    assert bound not in funnel(again.lists["texts"]).dropped


def test_one_bad_record_costs_one_record(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def picky(text: str) -> int:\n    return 10 // (len(text) - 3)\n")
    recipe = RECIPE.replace("{signal: words, keep: {min: 2}}", "{signal: ./mine.py:picky}")
    outcome = run(small(tmp_path, recipe), tmp_path / "ws")
    counts = funnel(outcome.lists["texts"])
    assert counts.quarantined == 1
    [line] = [path.read_text("utf-8") for path in (tmp_path / "ws").rglob("quarantine/*.jsonl")]
    assert "ZeroDivisionError" in line
    assert '"step": "picky"' in line


def test_too_many_unreadable_records_stop_the_run_and_few_do_not(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "name: torn\ndata:\n  texts:\n    - {source: jsonl, path: texts.jsonl}\n")
    good = '{"text": "fine"}\n'
    (tmp_path / "texts.jsonl").write_text(good * 20 + "{torn\n" * 20)
    assert funnel(run(recipe, tmp_path / "ws").lists["texts"]).quarantined == 20
    (tmp_path / "texts.jsonl").write_text(good * 20 + "{torn\n" * 21)
    with pytest.raises(UserError, match=r"21 of 41 records could not be read.*texts.jsonl, line 21"):
        run(recipe, tmp_path / "ws")


def test_an_edit_makes_an_earlier_signal_unreadable(tmp_path: Path) -> None:
    recipe = RECIPE.replace("- {signal: characters, keep: {max: 40}}", "- edit: redact_pii")
    dataset = run(small(tmp_path, recipe), tmp_path / "ws").lists["texts"]
    assert "signal.words" not in dataset.columns
    assert funnel(dataset).dropped["words: < min 2"] == 1


def test_weighed_rows_carry_their_weight(tmp_path: Path) -> None:
    recipe = RECIPE.replace("keep: {max: 40}", "weigh: {above: 40, weight: 0.2}")
    rows = rows_of(run(small(tmp_path, recipe), tmp_path / "ws"), "texts")
    assert {row["text"]: row["weight"] for row in rows} == {"two words": 1.0, TEXTS[3]: 0.2, "three words here": 1.0}


def test_a_review_waits_for_people_and_goes_on_with_their_verdicts(tmp_path: Path) -> None:
    recipe = small(tmp_path, RECIPE + "    - {review: quality, sample: 1}\n")
    with pytest.raises(Waiting, match="1 of 1 records wait"):
        run(recipe, tmp_path / "ws")
    [round_csv] = (tmp_path / "ws" / "reviews").rglob("*.csv")
    head, row = round_csv.read_text("utf-8").splitlines()
    fields = row.split(",")
    fields[head.split(",").index("verdict")] = "drop"
    round_csv.write_text("\n".join([head, ",".join(fields)]) + "\n", "utf-8")
    counts = funnel(run(recipe, tmp_path / "ws").lists["texts"])
    assert counts.kept == 1
    assert sum(number for reason, number in counts.dropped.items() if reason.startswith("quality")) == 1


def test_user_code_is_part_of_the_key_and_a_comment_is_not(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text("def size(text: str) -> int:\n    return len(text)\n")
    recipe = small(tmp_path, RECIPE.replace("{signal: words, keep: {min: 2}}", "{signal: ./mine.py:size}"))
    first = run(recipe, tmp_path / "ws").lists["texts"].folder
    recipe.write_text("# a comment\n" + recipe.read_text("utf-8"), "utf-8")
    assert run(recipe, tmp_path / "ws", show=Heard()).lists["texts"].folder == first
    other = tmp_path / "other"
    other.mkdir()
    moved = small(other, recipe.read_text("utf-8"))
    (other / "mine.py").write_text("def size(text: str) -> int:\n    return 2 * len(text)\n")
    assert run(moved, tmp_path / "ws").lists["texts"].folder != first
