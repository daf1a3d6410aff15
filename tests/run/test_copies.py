"""A mix in a run: rows are counted once, and drawn as often as the mix has them in training and in an export."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.running import TINY, bytes_of, differences, report_of, rows_of, run, write_recipe, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.data.copies import repeated
from tunesmith.data.funnel import funnel
from tunesmith.run.export import export
from tunesmith.run.train_rows import TrainRows

SOURCES = """name: mixed
seed: 7
base: scratch:0.1M
data:
  rows:
    - {source: jsonl, path: web.jsonl, text: answer, id: id, domain: web, license: MIT}
    - {source: jsonl, path: books.jsonl, text: answer, id: id, domain: books, license: MIT}
"""
CHATS = '    - {edit: to_chat, user: "{question}", assistant: "{text}"}\n'
MIX = "    - {pass: mix, shares: {web: 0.4, books: 0.6}, unit: documents, epochs: 3}\n"
SPLIT = "    - {pass: split, parts: {train: 0.8, validation: 0.2}}\n"
TRAIN = "train:\n  - {sft: writer, data: rows, tokenizer: {kind: words, vocabulary: 300}, epochs: 1, batch_size: 16}\n"
TRAIN += "waive:\n  - {check: examples_least, reason: a test of weights needs few rows}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = TINY.with_name("tiny.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:200]]
    write_rows(tmp_path / "web.jsonl", rows[:160])
    write_rows(tmp_path / "books.jsonl", rows[160:])
    return tmp_path


def test_a_row_is_counted_once_however_often_a_mix_has_it(folder: Path) -> None:
    outcome = run(write_recipe(folder, SOURCES + MIX + SPLIT), folder / "ws")
    counts = funnel(outcome.lists["rows"])
    rows = rows_of(outcome, "rows")
    assert Counter((row["domain"], row["copies"]) for row in rows) == {("books", 3): 40, ("web", 1): 80}
    assert (counts.read, counts.kept) == (200, 120)
    assert counts.dropped == {"mix: copies < min 1": 80}
    lists = report_of(folder / "ws", "mixed")["lists"]
    assert sum(part["records"] if isinstance(part, dict) else part for part in lists["rows"]["parts"].values()) == 120  # type: ignore[index]


def test_training_draws_rows_as_often_as_the_mix_has_them_and_validation_once(folder: Path) -> None:
    outcome = run(write_recipe(folder, SOURCES + CHATS + MIX + SPLIT + TRAIN), folder / "ws")
    rows = rows_of(outcome, "rows", "train")
    wanted = sum(int(str(row["copies"])) for row in rows)
    assert wanted > len(rows)
    [manifest] = [read_manifest(path.parent) for path in (folder / "ws/checkpoints").glob("writer/*/manifest.json")]
    assert manifest.facts["steps"] == round(wanted / 16)
    assert manifest.facts["epochs"] == pytest.approx(1, abs=0.1)
    assert manifest.counts["train"] == len(rows)
    assert Counter(row["weight"] for row in list(TrainRows(outcome.lists["rows"], "train"))) == Counter(
        float(str(row["copies"])) for row in rows
    )


def test_weights_are_used_up_by_a_mix_and_later_ones_count_again(folder: Path) -> None:
    before = "    - {signal: characters, weigh: {min: 0, weight: 0.5}}\n"
    after = "    - {signal: words, weigh: {min: 0, weight: 0.25}}\n"
    outcome = run(write_recipe(folder, SOURCES + before + MIX), folder / "ws")
    assert {row["weight"] for row in rows_of(outcome, "rows")} == {None}
    outcome = run(write_recipe(folder, SOURCES + before + MIX + after + SPLIT), folder / "ws")
    assert {row["weight"] for row in list(TrainRows(outcome.lists["rows"], "train"))} == {0.25, 0.75}


def test_an_export_has_each_row_as_often_as_the_mix_and_no_column_of_copies(folder: Path) -> None:
    outcome = run(write_recipe(folder, SOURCES + MIX + "    - {pass: shuffle}\n"), folder / "ws")
    times = {row["id"]: row["copies"] for row in rows_of(outcome, "rows")}
    report = report_of(folder / "ws", "mixed")
    assert export(folder / "ws", report, "rows", folder / "out.jsonl") == 200
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]
    assert Counter(line["id"] for line in lines) == times
    assert not any("copies" in line or "weight" in line for line in lines)
    assert export(folder / "ws", report, "rows", folder / "out.parquet") == 200
    assert "copies" not in pq.read_schema(folder / "out.parquet").names
    assert export(folder / "ws", report, "rows", folder / "left.jsonl", dropped=True) == 80


def test_copies_of_a_row_are_far_apart() -> None:
    copies = [number % 4 for number in range(1000)]
    table = pa.table([pa.array(range(1000)), pa.array(copies, pa.int64())], names=["row", "copies"])
    rows = [row for part in repeated(table) for row in part["row"].to_pylist()]
    assert Counter(rows) == {row: times for row, times in enumerate(copies) if times}
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row, []).append(place)
    gaps = [later - first for found in places.values() for first, later in pairwise(found)]
    assert min(gaps) > len(rows) / 3 - 10


def test_rows_without_copies_count_once() -> None:
    plain = pa.table([pa.array(range(5))], names=["row"])
    assert [*repeated(plain)] == [plain]
    table = pa.table([pa.array(range(2)), pa.array([None, 2], pa.int64())], names=["row", "copies"])
    assert [row for part in repeated(table) for row in part["row"].to_pylist()].count(0) == 1


def test_one_worker_and_two_mix_and_shuffle_the_same_bytes(folder: Path) -> None:
    recipe = write_recipe(folder, SOURCES + MIX + "    - {pass: shuffle}\n" + SPLIT)
    for workers in (1, 2):
        run(recipe, folder / f"ws{workers}", workers=workers)
    assert differences(bytes_of(folder / "ws1"), bytes_of(folder / "ws2")) == []


def test_a_mix_may_be_by_a_signal(folder: Path) -> None:
    write_rows(folder / "more.jsonl", [{"text": text} for text in GERMAN])
    more = "    - {source: jsonl, path: more.jsonl, domain: more, license: MIT}\n"
    by_language = MIX.replace("{web: 0.4, books: 0.6}", "{de: 0.5, en: 0.5}, by: language, rest: drop, epochs: 4")
    steps = "    - {signal: language}\n" + by_language.replace(", epochs: 3", "")
    outcome = run(write_recipe(folder, SOURCES + more + steps), folder / "ws")
    drawn: Counter[str] = Counter()
    for row in rows_of(outcome, "rows"):
        drawn[str(row["signal.language"])] += int(str(row["copies"]))
    assert drawn["de"] == drawn["en"] == 4 * len(GERMAN)


GERMAN = [
    "Die Sonne scheint heute den ganzen Tag über den Feldern und den Dörfern im Tal.",
    "Wir haben gestern lange darüber gesprochen, wie das Haus gebaut werden soll.",
    "Der alte Mann ging jeden Morgen mit seinem Hund durch den stillen Wald.",
]
