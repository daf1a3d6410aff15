"""Parquet: documents pass as batches with the ids of rows, all else as rows; damage costs what is damaged."""

from __future__ import annotations

import datetime
import decimal
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.files import File
from tunesmith.data.rows import columnar_batch, to_batch
from tunesmith.data.sources.parquet import parquet, split

TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def file_of(folder: Path, table: pa.Table | list[dict[str, object]], **options: Any) -> File:
    given = table if isinstance(table, pa.Table) else pa.Table.from_pylist(table)
    pq.write_table(given, folder / "a.parquet", **options)
    return File(str(folder / "a.parquet"), "a.parquet")


def read(file: File, **parameters: Any) -> tuple[list[dict[str, object]], list[Mapping[str, object]]]:
    """The records and the quarantine, as a run would have them."""
    rows, quarantine = [], []
    for item in parquet(file, **parameters):
        to = columnar_batch if isinstance(item, pa.RecordBatch) else lambda row, **names: to_batch([row], **names)
        batch, unfit = to(item, source="tables")
        rows += batch.to_pylist()
        quarantine += unfit
    return rows, quarantine


def test_other_columns_go_to_meta_and_the_line_is_the_number_of_the_row(tmp_path: Path) -> None:
    table = [{"text": "a", "url": "u", "n": 1, "license": "MIT"}, {"text": "b", "url": None, "n": 2, "license": None}]
    (first, second), quarantine = read(file_of(tmp_path, table))
    assert quarantine == []
    assert (first["text"], first["license"], json.loads(str(first["meta"]))) == ("a", "MIT", {"n": 1, "url": "u"})
    assert second["origin"] == {"uri": "a.parquet", "line": 2, "offset": None, "date": None}


def test_documents_have_the_ids_that_rows_of_the_same_content_have(tmp_path: Path) -> None:
    table = [{"text": f"é{n}", "group": n % 3, "url": f"u{n}", "score": n / 3, "date": "2026-01-02"} for n in range(50)]
    (batch,) = parquet(file_of(tmp_path, table))
    assert isinstance(batch, pa.RecordBatch)
    rows = [
        {"text": row["text"], "group": row["group"], "meta": {"url": row["url"], "score": row["score"]},
         "uri": "a.parquet", "line": line, "date": "2026-01-02"}
        for line, row in enumerate(table, 1)
    ]  # fmt: skip
    assert columnar_batch(batch, source="s", domain="d")[0].equals(to_batch(rows, source="s", domain="d")[0])


def test_columns_are_named_as_in_json_lines(tmp_path: Path) -> None:
    file = file_of(tmp_path, [{"body": "a", "key": 7, "x": 1, "y": 2}, {"body": "b", "key": None, "x": 1, "y": 2}])
    rows, quarantine = read(file, text="body", id="key", columns=["x"])
    assert [json.loads(str(row["meta"])) for row in rows] == [{"x": 1}]
    assert rows[0]["id"] == to_batch([{"text": "other", "key": "7"}], source="tables")[0]["id"][0].as_py()
    assert [(entry["line"], entry["error"]) for entry in quarantine] == [(2, "no 'key'")]
    for wrong in ({"text": "text"}, {"text": "body", "id": "id"}, {"text": "body", "columns": ["z"]}):
        with pytest.raises(UserError, match=r"a\.parquet: the table has no column '(text|id|z)'") as caught:
            read(file, **wrong)
        assert caught.value.hint == "Columns there: body, key, x, y."


def test_conversations_and_pairs_keep_their_structure(tmp_path: Path) -> None:
    rows, quarantine = read(file_of(tmp_path, [{"messages": TURNS, "n": 1}, {"messages": None, "n": 2}]))
    assert [turn["content"] for turn in rows[0]["messages"]] == ["hi", "hello"]  # type: ignore[attr-defined]
    assert [entry["error"] for entry in quarantine] == ["no 'text'; columns there: messages, n"]
    pairs, _ = read(file_of(tmp_path, [{"chosen": TURNS, "rejected": TURNS[:1]}]))
    assert len(pairs[0]["rejected"]) == 1  # type: ignore[arg-type]


def test_text_in_whatever_type_a_writer_chose_is_text(tmp_path: Path) -> None:
    kinds = [pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
    for kind in kinds:
        values = pa.array(["a", None, "é"]).cast(pa.binary() if kind == pa.binary() else pa.string())
        table = pa.table({"text": values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)})
        rows, quarantine = read(file_of(tmp_path, table))
        assert [row["text"] for row in rows] == ["a", "é"]
        assert [entry["line"] for entry in quarantine] == [2]


def test_dates_become_iso_text_and_what_is_no_json_costs_its_row(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    rows, _ = read(file_of(tmp_path, [{"text": "a", "date": moment, "seen": moment}]))
    assert rows[0]["origin"]["date"][:19] == "2026-01-02T03:04:05"  # type: ignore[index]
    assert json.loads(str(rows[0]["meta"])) == {"seen": "2026-01-02T03:04:05"}
    good, bad = read(file_of(tmp_path, [{"text": "a", "price": None}, {"text": "b", "price": decimal.Decimal("1.5")}]))
    assert [row["text"] for row in good] == ["a"]
    assert "meta cannot be written as JSON" in str(bad[0]["error"])


def test_bytes_that_are_not_utf8_cost_the_row_they_stand_in(tmp_path: Path) -> None:
    for column in ("text", "note"):
        values = {"text": [b"a", b"b", b"c"], "note": [b"x", b"y", b"z"]}
        values[column][1] = b"b\xff"
        table = pa.table({name: pa.array(some, pa.binary()).view(pa.string()) for name, some in values.items()})
        rows, quarantine = read(file_of(tmp_path, table))
        assert [row["text"] for row in rows] == ["a", "c"]
        (entry,) = quarantine
        assert entry["line"] == 2
        assert "not UTF-8" in str(entry["error"])
        assert b"b\xff" in entry["raw"]  # type: ignore[operator]


def test_row_groups_are_the_parts_of_a_large_file(tmp_path: Path) -> None:
    table = [{"text": f"{n:04} " + "x" * 200, "n": n} for n in range(1000)]
    file = file_of(tmp_path, table, row_group_size=100, compression="none")
    parts = split(file, 50_000)
    assert [(part.start, part.end, part.lines_before) for part in parts] == [
        (0, 3, 0), (3, 6, 300), (6, 9, 600), (9, 10, 900),
    ]  # fmt: skip
    assert [row for part in parts for row in read(part)[0]] == read(file)[0]
    assert split(file, 1 << 30) == [file]


def test_a_damaged_row_group_is_quarantined_and_the_others_are_read(tmp_path: Path) -> None:
    file = file_of(tmp_path, [{"text": f"text {n}"} for n in range(300)], row_group_size=100, compression="zstd")
    content = bytearray(Path(file.path).read_bytes())
    with pq.ParquetFile(io.BytesIO(bytes(content))) as table:
        column = table.metadata.row_group(1).column(0)
    start = column.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    Path(file.path).write_bytes(bytes(content))
    rows, quarantine = read(file)
    assert [row["origin"]["line"] for row in rows] == [*range(1, 101), *range(201, 301)]  # type: ignore[index]
    (entry,) = quarantine
    assert entry["line"] == 101
    assert str(entry["error"]).startswith("rows 101 to 200 (row group 1) are damaged: ")


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1" + bytes(100)])
def test_a_file_that_is_no_parquet_or_cut_off_is_quarantined_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    file = File(str(path), "a.parquet")
    rows, quarantine = read(file)
    assert rows == []
    assert [str(entry["error"])[:25] for entry in quarantine] == ["this is no Parquet file, "]
    assert split(file, 10) == [file]


def test_long_documents_make_short_batches(tmp_path: Path) -> None:
    file = file_of(tmp_path, [{"text": f"{n:07}" + "x" * (1 << 20)} for n in range(30)])
    sizes = [batch.num_rows for batch in parquet(file) if isinstance(batch, pa.RecordBatch)]
    assert sum(sizes) == 30
    assert max(sizes) <= 8
