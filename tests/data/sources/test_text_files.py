"""Plain text: a document a file, a paragraph or a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.data.files import File
from tunesmith.data.sources.text import Unit, text

CONTENT = b"Erster Absatz,\nzwei Zeilen.\n\n\nZweiter Absatz.\n"


def file_of(folder: Path, content: bytes) -> File:
    (folder / "book.txt").write_bytes(content)
    return File(str(folder / "book.txt"), "book.txt")


def test_a_file_is_one_document(tmp_path: Path) -> None:
    rows = list(text(file_of(tmp_path, CONTENT)))
    assert [row["text"] for row in rows] == ["Erster Absatz,\nzwei Zeilen.\n\n\nZweiter Absatz."]


def test_paragraphs_and_lines_know_where_they_began(tmp_path: Path) -> None:
    file = file_of(tmp_path, CONTENT)
    assert [(row["text"], row["line"]) for row in text(file, unit="paragraph")] == [
        ("Erster Absatz,\nzwei Zeilen.", 1),
        ("Zweiter Absatz.", 5),
    ]
    assert [(row["text"], row["line"], row["offset"]) for row in text(file, unit="line")] == [
        ("Erster Absatz,", 1, 0),
        ("zwei Zeilen.", 2, 15),
        ("Zweiter Absatz.", 5, 30),
    ]


def test_bytes_that_are_not_utf8_cost_the_unit_they_stand_in(tmp_path: Path) -> None:
    file = file_of(tmp_path, b"good\n\nbad \xff\n\ngood too\n")
    rows = list(text(file, unit="paragraph"))
    assert [row.get("text") for row in rows] == ["good", None, "good too"]
    assert rows[1]["quarantine"] == {
        "uri": "book.txt", "line": 3, "offset": 6, "error": "not UTF-8 at byte 10", "raw": b"bad \xff\n",
    }  # fmt: skip


@pytest.mark.parametrize("unit", ["file", "paragraph", "line"])
def test_an_empty_file_and_a_blank_one_are_quarantined_whole(tmp_path: Path, unit: Unit) -> None:
    problems = {b"": "the file is empty", b" \n\n": "the file holds nothing but white space"}
    for content, problem in problems.items():
        (row,) = text(file_of(tmp_path, content), unit=unit)
        assert row["quarantine"]["error"] == problem  # type: ignore[index]


def test_windows_line_ends_and_a_mark_at_the_beginning_are_no_text(tmp_path: Path) -> None:
    rows = list(text(file_of(tmp_path, b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\r\n"), unit="paragraph"))
    assert [row["text"] for row in rows] == ["one\r\ntwo", "three"]
