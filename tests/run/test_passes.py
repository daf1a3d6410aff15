"""What the engine does for a pass: hands it its bounds, keeps what it found, takes over texts and orders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.running import report_of, rows_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.data.funnel import dropped_rows, funnel

TOYS = [Path(__file__).with_name(name) for name in ("pass_toys.py", "reordering_toy.py")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for toy in TOYS:
        shutil.copy(toy, tmp_path)
    write_rows(tmp_path / "texts.jsonl", [{"text": "word " * n} for n in range(1, 7)])
    return tmp_path


def recipe(folder: Path, *steps: str) -> Path:
    head = "name: passes\ndata:\n  texts:\n    - {source: jsonl, path: texts.jsonl, license: MIT}\n"
    return write_recipe(folder, head + "".join(f"    - {step}\n" for step in steps))


def test_what_a_pass_found_is_in_its_manifest_and_in_the_report(folder: Path) -> None:
    outcome = run(recipe(folder, "{pass: ./pass_toys.py:sizes, keep: {size: {min: 10}}}"), folder / "ws")
    [measured] = [layer for layer in outcome.lists["texts"].layers if "pass" in read_manifest(layer).step]
    assert read_manifest(measured).facts["found"] == {"sentences": ["6 texts were measured."], "total": 6}
    [told] = report_of(folder / "ws", "passes")["lists"]["texts"]["passes"]  # type: ignore[index]  # a report is plain JSON
    assert told == {"pass": "sizes", "found": {"sentences": ["6 texts were measured."], "total": 6}}


def test_a_pass_that_reads_bounds_is_given_them_and_measures_anew_when_they_change(folder: Path) -> None:
    first = run(recipe(folder, "{pass: ./pass_toys.py:sizes, keep: {size: {min: 10}}}"), folder / "ws")
    second = run(recipe(folder, "{pass: ./pass_toys.py:sizes, keep: {size: {min: 20}}}"), folder / "ws")
    least = [{row["signal.sizes.least"] for row in rows_of(one, "texts")} for one in (first, second)]
    assert least == [{10}, {20}]
    assert [one.lists["texts"].count() for one in (first, second)] == [5, 3]


def test_what_a_pass_works_out_once_is_not_worked_out_for_a_new_bound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for least in (1, 8):
        run(recipe(folder, f"{{pass: ./pass_toys.py:remembering, keep: {{size: {{min: {least}}}}}}}"), folder / "ws")
    assert (folder / "work.log").read_text().split() == ["worked"]


def test_a_pass_that_gives_texts_changes_the_records_and_makes_older_signals_stale(folder: Path) -> None:
    steps = ("{signal: words}", "{pass: ./pass_toys.py:shouted}", "{signal: characters}")
    dataset = run(recipe(folder, *steps), folder / "ws").lists["texts"]
    texts = [text for table in dataset.tables(["text"]) for text in table["text"].to_pylist()]
    assert texts[:2] == ["WORD ", "WORD WORD "]
    assert [name for name in dataset.columns if name.startswith("signal.")] == ["signal.characters"]


def test_a_pass_may_put_the_kept_rows_in_a_new_order(folder: Path) -> None:
    steps = ("{signal: words, keep: {min: 3}}", "{pass: ./reordering_toy.py:backwards}", "{signal: characters}")
    outcome = run(recipe(folder, *steps), folder / "ws")
    assert [row["signal.words"] for row in rows_of(outcome, "texts")] == [6, 5, 4, 3]
    counts = funnel(outcome.lists["texts"])
    assert (counts.read, counts.kept, sum(counts.dropped.values())) == (6, 4, 2)


def test_a_pass_that_loses_a_row_stops_the_run(folder: Path) -> None:
    with pytest.raises(ValueError, match="wrote 5 rows of 6"):
        run(recipe(folder, "{pass: ./reordering_toy.py:losing}"), folder / "ws")


def test_a_pass_that_gives_texts_leaves_those_of_dropped_rows_alone(folder: Path) -> None:
    steps = ("{signal: words, keep: {min: 3}}", "{pass: ./pass_toys.py:shouted}")
    dataset = run(recipe(folder, *steps), folder / "ws").lists["texts"]
    gone = [text for table in dropped_rows(dataset) for text in table["text"].to_pylist()]
    assert gone == ["word ", "word word "]
