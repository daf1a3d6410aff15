"""However large a source is, its rows lie in shards of a bounded size, the same from one worker or two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.running import bytes_of, rows_of, run, write_recipe, write_rows

from tunesmith.data import settle, stretch

RECIPE = "name: s\ndata:\n  texts:\n    - {source: jsonl, path: texts.jsonl}\n    - {signal: words}\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_rows(tmp_path / "texts.jsonl", [{"text": f"text number {n % 70} " * 20} for n in range(300)])
    return write_recipe(tmp_path, RECIPE)


def test_a_large_file_becomes_several_shards_and_loses_no_row(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(recipe, tmp_path / "whole", workers=1)
    monkeypatch.setattr(stretch, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(stretch, "BATCH_ROWS", 7)
    monkeypatch.setattr(settle, "IDS_AT_ONCE", 100)
    cut = run(recipe, tmp_path / "cut", workers=1)
    assert cut.lists["texts"].shards > 3
    assert rows_of(cut, "texts") == rows_of(whole, "texts")
    assert len({row["id"] for row in rows_of(cut, "texts")}) == 300
    assert not (cut.lists["texts"].folder / "parts").exists()


def test_a_long_document_makes_a_batch_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "BATCH_BYTES", 100)
    rows = [{"text": "a" * length} for length in (40, 70, 10, 300, 5)]
    assert [len(batch) for batch in stretch._batched(rows)] == [2, 2, 1]


def test_one_worker_and_two_write_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_rows(tmp_path / f"{name}.jsonl", [{"text": f"{name} {n}"} for n in range(50)])
    recipe.write_text(RECIPE.replace("texts.jsonl", "'*.jsonl'"), "utf-8")
    run(recipe, tmp_path / "one", workers=1)
    run(recipe, tmp_path / "two", workers=2)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_small_files_share_a_task_and_large_ones_have_their_own(recipe: Path) -> None:
    def piece(size: int | None) -> stretch.SourcePiece:
        return stretch.SourcePiece(None, None, {}, "s", size=size)  # type: ignore[arg-type]  # never read

    sizes = [1, 2, stretch.TASK_BYTES, 3, 4]
    tasks = stretch.tasks_of([piece(size) for size in sizes])
    assert [[one.size for one in task] for task in tasks] == [[1, 2], [stretch.TASK_BYTES], [3, 4]]  # type: ignore[union-attr]
    assert len(stretch.tasks_of([piece(None)] * 1000)) <= stretch.MOST_TASKS
