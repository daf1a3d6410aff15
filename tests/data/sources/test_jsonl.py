"""JSON lines: what is read, what is quarantined, and which mistakes stop a run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.files import File
from tunesmith.data.rows import to_batch
from tunesmith.data.sources.jsonl import jsonl, split


def file_of(folder: Path, content: bytes, name: str = "notes.jsonl") -> File:
    (folder / name).write_bytes(content)
    return File(str(folder / name), name)


def texts_and_errors(file: File) -> tuple[list[str], list[tuple[int, str]]]:
    batch, quarantined = to_batch(list(jsonl(file)), source="notes")
    return batch["text"].to_pylist(), [(entry["line"], str(entry["error"])) for entry in quarantined]  # type: ignore[misc]


def test_damaged_lines_cost_one_record_each_and_reading_goes_on(tmp_path: Path) -> None:
    content = b'{"text": "one"}\n{"text": "cut\n\xff\xfe\n{"text": "\\ud800"}\n\n[1]\n{"text": "two"}'
    texts, errors = texts_and_errors(file_of(tmp_path, content))
    assert texts == ["one", "two"]
    assert [line for line, _ in errors] == [2, 3, 4, 6]
    assert errors[-1][1] == "a list where a JSON object belongs"


def test_a_damaged_line_keeps_its_raw_bytes_and_its_offset(tmp_path: Path) -> None:
    file = file_of(tmp_path, b'{"text": "one"}\n\xff\n')
    entry = list(jsonl(file))[1]["quarantine"]
    assert entry == {
        "uri": "notes.jsonl", "line": 2, "offset": 16, "error": entry["error"], "raw": b"\xff\n",  # type: ignore[index]
    }  # fmt: skip


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    texts, errors = texts_and_errors(file_of(tmp_path, b'\xef\xbb\xbf{"text": "one"}\r\n{"text": "two"}\r\n'))
    assert (texts, errors) == (["one", "two"], [])


def test_a_cut_gzip_gives_its_rows_and_one_quarantined_entry(tmp_path: Path) -> None:
    rows = b"".join(json.dumps({"text": f"row {number}", "n": number**7}).encode() + b"\n" for number in range(30_000))
    packed = gzip.compress(rows)
    texts, errors = texts_and_errors(file_of(tmp_path, packed[: len(packed) // 2], "notes.jsonl.gz"))
    assert texts == [f"row {number}" for number in range(len(texts))]
    assert len(texts) > 5_000
    assert len(errors) == 1
    assert "cut or damaged" in errors[0][1]


def test_known_keys_become_columns_and_the_engines_own_go_to_meta(tmp_path: Path) -> None:
    line = {"body": "hi", "group": "g", "target": "t", "id": 7, "line": "x", "source": "mine", "meta": {"a": 1}}
    row = next(jsonl(file_of(tmp_path, json.dumps(line).encode()), text="body", id="id"))
    assert (row["text"], row["group"], row["target"], row["key"], row["line"]) == ("hi", "g", "t", "7", 1)
    assert row["meta"] == {"id": 7, "line": "x", "source": "mine", "meta": {"a": 1}}


def test_conversations_need_no_text(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}]
    rows = [{"messages": turns}, {"chosen": turns, "rejected": turns}, {"messages": []}]
    read = list(jsonl(file_of(tmp_path, b"\n".join(json.dumps(row).encode() for row in rows))))
    assert ["quarantine" in row for row in read] == [False, False, True]


def test_a_column_that_no_row_has_is_a_mistake_that_names_those_there(tmp_path: Path) -> None:
    file = file_of(tmp_path, b'{"body": "a", "label": 1}\n{"body": "b"}\n')
    with pytest.raises(UserError, match="no row has a column 'text'") as caught:
        list(jsonl(file))
    assert caught.value.hint == "Columns there: body, label."
    with pytest.raises(UserError, match="no row has a column 'key'"):
        list(jsonl(file, text="body", id="key"))


def test_a_row_without_the_column_is_quarantined_where_others_have_it(tmp_path: Path) -> None:
    texts, errors = texts_and_errors(file_of(tmp_path, b'{"text": "a"}\n{"body": "b"}\n{"text": null, "x": 1}\n'))
    assert texts == ["a"]
    assert errors == [(2, "no 'text'; columns there: body"), (3, "no 'text'; columns there: text, x")]


def test_only_the_columns_that_are_named_stay(tmp_path: Path) -> None:
    file = file_of(tmp_path, b'{"text": "a", "group": "g", "n": 1, "url": "u", "key": "k"}\n{"text": "b"}\n')
    rows = [dict(row) for row in jsonl(file, id=None, columns=["n", "group"])]
    assert [(row["text"], row["meta"], row.get("group")) for row in rows] == [("a", {"n": 1}, "g"), ("b", {}, None)]


def test_a_type_that_changes_at_row_900_costs_the_rows_that_have_it(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}", "n": n} if n < 900 else {"text": n, "n": str(n)} for n in range(1000)]
    rows[950] = {"text": "text again", "n": [1]}
    texts, errors = texts_and_errors(file_of(tmp_path, b"\n".join(json.dumps(row).encode() for row in rows)))
    assert texts == [*(f"row {n}" for n in range(900)), "text again"]
    assert errors[0] == (901, "text is int 900, not text")
    assert len(errors) == 99


def test_a_later_part_of_a_file_may_lack_the_column_that_earlier_ones_have(tmp_path: Path) -> None:
    file = file_of(tmp_path, b'{"text": "a"}\n{"body": "b"}\n')
    first, second = split(file, 14)
    assert [row["text"] for row in jsonl(first)] == ["a"]
    assert ["quarantine" in row for row in jsonl(second)] == [True]
