"""Rows in small batches: the same rows that a list reads, whatever its bounds and edits have made of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.running import run, write_recipe, write_rows

from tunesmith.data.passes import _batches
from tunesmith.data.passes._batches import batches
from tunesmith.data.stream import Rows

RECIPE = """
name: small
seed: 7
data:
  texts:
    - {source: jsonl, path: rows.jsonl}
    - {signal: words, keep: {min: 3}}
    - {pass: exact_dedup}
    - {pass: line_dedup, documents: 5}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
"""


@pytest.mark.parametrize("part", [None, "train", "test"])
@pytest.mark.parametrize("columns", [["text"], ["id"], ["text", "id"], ["id", "meta", "target"]])
def test_batches_hold_the_rows_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str | None, columns: list[str]
) -> None:
    monkeypatch.setattr(_batches, "BATCH_ROWS", 7)
    rows = [{"text": f"text {n % 60}" + " more" * (n % 3) + "\nAll rights reserved by us.", "n": n} for n in range(90)]
    write_rows(tmp_path / "rows.jsonl", rows)
    outcome = run(write_recipe(tmp_path, RECIPE), tmp_path / "ws", workers=1)
    dataset = outcome.lists["texts"]
    given = list(batches(Rows(dataset, part), 0, columns))
    assert max(table.num_rows for table in given) <= 7
    whole = dataset.read(0, columns, part=part)
    assert whole.num_rows > 7
    for name in columns:
        if name in given[0].schema.names:
            assert [value for table in given for value in table[name].to_pylist()] == whole[name].to_pylist()
        else:
            assert whole[name].null_count == whole.num_rows
    assert isinstance(given[0], pa.RecordBatch)
