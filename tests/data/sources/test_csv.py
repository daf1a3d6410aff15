"""Tables: the header rules, quoted fields may hold lines, and odd rows are quarantined."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.files import File
from tunesmith.data.sources.csv import csv


def file_of(folder: Path, content: bytes, name: str = "table.csv") -> File:
    (folder / name).write_bytes(content)
    return File(str(folder / name), name)


def test_rows_become_records_with_their_line_and_other_columns_in_meta(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbftext,label\r\n"two\nlines, quoted",a\r\n\r\nplain,\r\n'
    rows = list(csv(file_of(tmp_path, content)))
    assert [(row["text"], row["meta"], row["line"]) for row in rows] == [
        ("two\nlines, quoted", {"label": "a"}, 2),
        ("plain", {"label": ""}, 5),
    ]


def test_a_tab_parts_the_fields_of_tsv_files_and_any_sign_that_is_named(tmp_path: Path) -> None:
    assert [row["text"] for row in csv(file_of(tmp_path, b"text\tn\na,b\t1\n", "t.tsv"))] == ["a,b"]
    assert [row["text"] for row in csv(file_of(tmp_path, b"text;n\na,b;1\n"), delimiter=";")] == ["a,b"]


def test_columns_are_renamed_and_chosen(tmp_path: Path) -> None:
    file = file_of(tmp_path, b"n,body,label,target\n7,hello,x,t\n")
    assert list(csv(file, text="body", id="n", columns=["target"])) == [
        {"target": "t", "text": "hello", "meta": {}, "key": "7", "uri": "table.csv", "line": 2, "offset": 20}
    ]


def test_rows_of_another_width_or_encoding_are_quarantined_with_their_bytes(tmp_path: Path) -> None:
    rows = list(csv(file_of(tmp_path, b"text,n\nok,1\nshort\n\xff\xfe,2\nok,3\nlong,4,5\n")))
    good = [row["text"] for row in rows if "quarantine" not in row]
    bad = [row["quarantine"] for row in rows if "quarantine" in row]
    assert good == ["ok", "ok"]
    assert [(entry["line"], entry["error"], entry["raw"]) for entry in bad] == [  # type: ignore[index]
        (3, "1 fields where the header has 2", b"short\n"),
        (4, "not UTF-8 at byte 18", b"\xff\xfe,2\n"),
        (6, "3 fields where the header has 2", b"long,4,5\n"),
    ]


def test_a_quote_that_is_never_closed_costs_what_it_swallows(tmp_path: Path) -> None:
    rows = list(csv(file_of(tmp_path, b'text,n\nok,1\n"open,2\nmore,3\n')))
    assert [row.get("text") for row in rows] == ["ok", None]
    assert rows[1]["quarantine"]["raw"] == b'"open,2\nmore,3\n'  # type: ignore[index]


def test_a_long_document_is_no_error(tmp_path: Path) -> None:
    rows = list(csv(file_of(tmp_path, b"text\n" + b"x" * 400_000 + b"\n")))
    assert len(str(rows[0]["text"])) == 400_000


@pytest.mark.parametrize(
    ("content", "parameters", "problem"),
    [
        (b"body,n\na,1\n", {}, "no column 'text'"),
        (b"text,n\na,1\n", {"id": "key"}, "no column 'key'"),
        (b"text,n\na,1\n", {"columns": ["m"]}, "no column 'm'"),
        (b"text,n,n\na,1,2\n", {}, "names the column 'n' twice"),
    ],
)
def test_mistakes_in_the_header_name_the_file(
    tmp_path: Path, content: bytes, parameters: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        list(csv(file_of(tmp_path, content), **parameters))  # type: ignore[arg-type]
    assert caught.value.problem.startswith("table.csv: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"\n\r\n", "the file holds nothing but white space"),
        ("text,n\na,1\n".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (b"t\xe9xt,n\na,1\n", "not UTF-8 at byte 1"),
    ],
)
def test_a_file_whose_header_cannot_be_read_is_quarantined(tmp_path: Path, content: bytes, problem: str) -> None:
    (row,) = csv(file_of(tmp_path, content))
    assert row["quarantine"]["error"] == problem  # type: ignore[index]
