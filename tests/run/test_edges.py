"""Lists at the edges of what they are made for: nothing in them, nothing left of them, text where a number belongs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.running import run, write_recipe, write_rows

from tunesmith.core.errors import UserError
from tunesmith.data.funnel import funnel

START = "name: edges\ndata:\n  texts:\n    - {source: jsonl, path: '*.jsonl'}\n"


def recipe(folder: Path, *steps: str, texts: tuple[str, ...] = ("one", "two words", "three words here")) -> Path:
    write_rows(folder / "texts.jsonl", [{"text": text} for text in texts])
    return write_recipe(folder, START + "".join(f"    - {step}\n" for step in steps))


def test_a_signal_measured_before_a_pass_is_stale_after_a_later_edit(tmp_path: Path) -> None:
    steps = ("signal: words", "pass: exact_dedup", "edit: redact_pii")
    dataset = run(recipe(tmp_path, *steps), tmp_path / "ws").lists["texts"]
    assert not [name for name in dataset.columns if name.startswith("signal.")]


def test_a_signal_measured_again_after_the_edit_is_not_stale(tmp_path: Path) -> None:
    steps = ("signal: words", "pass: exact_dedup", "edit: redact_pii", "{signal: words, as: length}")
    dataset = run(recipe(tmp_path, *steps), tmp_path / "ws").lists["texts"]
    assert [name for name in dataset.columns if name.startswith("signal.")] == ["signal.length"]


def test_a_source_without_records_is_refused(tmp_path: Path) -> None:
    path = recipe(tmp_path, "{signal: words, keep: {min: 1}}")
    (tmp_path / "texts.jsonl").write_text("\n  \n")
    with pytest.raises(UserError, match=r"data.texts\[0\] \(line 4\): there is not one record to read"):
        run(path, tmp_path / "ws")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_list_of_which_nothing_stays_ends_in_peace(workers: int, tmp_path: Path) -> None:
    write_rows(tmp_path / "more.jsonl", [{"text": "more"}])
    steps = (
        "{signal: words, keep: {min: 100}}",
        "{pass: exact_dedup}",
        "{signal: characters, keep: {max: p50}}",
        "{pass: sample, rows: 2}",
        "{pass: split, parts: {train: 0.5, test: 0.5}}",
        "{make: ./mine.py:nothing}",
    )
    (tmp_path / "mine.py").write_text("def nothing(record):\n    return []\n")
    outcome = run(recipe(tmp_path, *steps), tmp_path / "ws", workers=workers)
    counts = funnel(outcome.lists["texts"])
    assert (counts.read, counts.kept, counts.dropped) == (4, 0, {"words: < min 100": 4})


def test_a_number_is_no_bound_on_text(tmp_path: Path) -> None:
    path = recipe(tmp_path, "{signal: language, keep: {min: 3}}")
    with pytest.raises(UserError, match=r"data.texts\[1\] \(line 5\): min is set on 'language', which is text"):
        run(path, tmp_path / "ws")


def test_a_signal_that_gives_numbers_here_and_text_there_is_told(tmp_path: Path) -> None:
    code = "def mixed(text):\n    return len(text) if ' ' in text else text\n"
    (tmp_path / "mine.py").write_text(code)
    for rows in (["one"], ["one"] * 1200):  # in one batch, in two batches, and in two shards
        write_rows(tmp_path / "more.jsonl", [{"text": text} for text in rows])
        with pytest.raises(UserError, match=r"signal.mixed has incompatible types: (string|int64)"):
            run(recipe(tmp_path, "signal: ./mine.py:mixed", texts=("two words",) * 1100), tmp_path / "ws")


def test_a_file_that_is_rewritten_in_the_same_instant_is_read_again(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    first = run(path, tmp_path / "ws").lists["texts"].folder
    times = (tmp_path / "texts.jsonl").stat()
    write_rows(tmp_path / "texts.jsonl", [{"text": text} for text in ("ONE", "two words", "three words here")])
    os.utime(tmp_path / "texts.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run(path, tmp_path / "ws").lists["texts"].folder != first


def test_rows_of_equal_content_in_one_source_and_in_two_have_their_own_ids(tmp_path: Path) -> None:
    path = recipe(tmp_path, texts=("same", "same", "other"))
    write_rows(tmp_path / "more.jsonl", [{"text": "same"}, {"text": "same"}])
    outcome = run(path, tmp_path / "ws", workers=2)
    ids = [row_id for table in outcome.lists["texts"].tables(["id"]) for row_id in table["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 5


def test_a_made_record_names_its_parent_and_keeps_its_part(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def twice(record):\n    return [{'text': 'a'}, {'text': 'b'}]\n")
    steps = ("{pass: split, parts: {train: 0.5, test: 0.5}}", "make: ./mine.py:twice")
    outcome = run(recipe(tmp_path, *steps), tmp_path / "ws")
    rows = [row for table in outcome.lists["texts"].tables() for row in table.to_pylist()]
    assert len(rows) == 6
    assert all(len(row["parents"]) == 1 and row["part"] in ("train", "test") for row in rows)
    assert len({row["parents"][0] for row in rows}) == 3
    assert funnel(outcome.lists["texts"]).dropped == {"twice: became another record": 3}
