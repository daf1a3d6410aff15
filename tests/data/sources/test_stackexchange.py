"""StackExchange dumps: questions find their answers, and broken rows cost only themselves."""

from __future__ import annotations

import gzip
from html import escape
from pathlib import Path

import pytest

from tunesmith.data.files import File
from tunesmith.data.sources.stackexchange import stackexchange


def _attribute(value: str) -> str:
    return escape(value).replace("\n", "&#xA;")  # as the dumps write it: each row is one line


def post(number: int, kind: int, body: str, **more: str) -> str:
    facts = {"Id": str(number), "PostTypeId": str(kind), "CreationDate": "2012-01-02T03:04:05.678", "Score": "1"}
    given = {**facts, **more, "Body": body}
    return "  <row " + " ".join(f'{name}="{_attribute(value)}"' for name, value in given.items()) + " />\n"


DUMP = (
    post(1, 1, "<p>How?</p>", Title="Zeros & ones", Tags="<python><numpy>", AcceptedAnswerId="5", OwnerUserId="9")
    + post(2, 2, "<p>Badly.</p>", ParentId="1", Score="7")
    + post(3, 1, "<p>Why?</p>", Title="Second", Tags="|a|b|", Score="-2", CreationDate="2019-01-01T00:00:00")
    + post(4, 5, "a wiki")
    + post(5, 2, "<p>Like <code>so</code>:</p><pre><code>x &lt; 1\n  y</code></pre>", ParentId="1", Score="3")
    + post(6, 2, "<p>Because.</p>", ParentId="3", Score="0", CreationDate="2019-05-05T00:00:00")
    + post(7, 2, "<p>Best.</p>", ParentId="3", Score="4", ContentLicense="CC BY-SA 4.0")
    + post(8, 1, "<p>Nobody knows</p>", Title="Third", CreationDate="2010-01-01T00:00:00")
)


def file_of(folder: Path, rows: str = DUMP, *, end: str = "</posts>\n", name: str = "Posts.xml") -> File:
    content = f'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n{rows}{end}'.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return File(str(folder / name), name)


def test_a_question_is_a_document_with_its_accepted_answer_first(tmp_path: Path) -> None:
    first, second, third = stackexchange(file_of(tmp_path))
    assert first["text"] == "Q:\n\nZeros & ones\n\nHow?\n\nA:\n\nLike `so`:\n\n```\nx < 1\n  y\n```\n\nA:\n\nBadly."
    assert first["meta"] == {
        "title": "Zeros & ones", "tags": ["python", "numpy"], "id": "1", "score": 1, "author": "9", "answers": 2,
        "accepted": True, "answer_scores": [3, 7],
    }  # fmt: skip
    assert (first["key"], first["group"], first["line"], first["date"]) == ("1", "1", 3, "2012-01-02T03:04:05.678")
    assert second["meta"]["answer_scores"] == [4, 0]  # type: ignore[index]
    assert third["text"] == "Q:\n\nThird\n\nNobody knows"


def test_answers_alone_know_their_question(tmp_path: Path) -> None:
    rows = list(stackexchange(file_of(tmp_path), unit="answer"))
    assert [(row["key"], row["group"]) for row in rows] == [("5", "1"), ("2", "1"), ("7", "3"), ("6", "3")]
    assert rows[1]["text"] == "Badly."
    assert rows[1]["meta"] == {
        "title": "Zeros & ones", "tags": ["python", "numpy"], "question": "1", "id": "2", "score": 7, "accepted": False,
    }  # fmt: skip


def test_a_chat_is_a_question_with_its_best_answer(tmp_path: Path) -> None:
    first, second = stackexchange(file_of(tmp_path), unit="chat")
    assert second["messages"] == [
        {"role": "user", "content": "Second\n\nWhy?"},
        {"role": "assistant", "content": "Best."},
    ]
    assert [(row["meta"]["answer"], row["meta"]["accepted"]) for row in (first, second)] == [("5", True), ("7", False)]  # type: ignore[index]


def test_the_licence_is_that_of_the_day_of_each_post(tmp_path: Path) -> None:
    assert [row["license"] for row in stackexchange(file_of(tmp_path))] == [
        "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-SA-2.5",
    ]  # fmt: skip
    mixed = post(1, 1, "old", CreationDate="2011-04-07T23:59:59") + post(
        2, 2, "new", ParentId="1", CreationDate="2018-05-02T00:00:00"
    )
    assert [row["license"] for row in stackexchange(file_of(tmp_path, mixed))] == ["CC-BY-SA-2.5 AND CC-BY-SA-4.0"]


def test_a_packed_dump_gives_the_same_rows(tmp_path: Path) -> None:
    plain = [{**row, "uri": ""} for row in stackexchange(file_of(tmp_path))]
    assert [{**row, "uri": ""} for row in stackexchange(file_of(tmp_path, name="Posts.xml.gz"))] == plain


def test_a_broken_row_costs_only_itself(tmp_path: Path) -> None:
    lines = DUMP.splitlines(keepends=True)
    broken = "".join([lines[0], lines[1][:40] + "\n", *lines[2:4], lines[4].replace("/>", ">"), *lines[5:]])
    rows = list(stackexchange(file_of(tmp_path, broken)))
    bad = [row["quarantine"] for row in rows if "quarantine" in row]
    assert [(entry["line"], entry["error"][:6]) for entry in bad] == [(7, "no XML"), (4, "no XML")]  # type: ignore[index]
    assert [row["key"] for row in rows if "key" in row] == ["1", "3", "8"]


def test_a_cut_dump_says_where_it_ends_and_an_answer_without_question_is_not_lost(tmp_path: Path) -> None:
    rows = list(stackexchange(file_of(tmp_path, post(9, 2, "lonely", ParentId="4"), end="")))
    assert [(row["quarantine"]["line"], row["quarantine"]["error"]) for row in rows] == [  # type: ignore[index]
        (3, "the file ends here, before </posts>: it was cut"),
        (3, "an answer whose question is not in this file"),
    ]


def test_a_row_that_is_cut_is_one_fault(tmp_path: Path) -> None:
    good, bad = stackexchange(file_of(tmp_path, post(1, 1, "whole") + post(2, 1, "cut")[:50], end=""))
    assert good["key"] == "1"
    assert (bad["quarantine"]["line"], bad["quarantine"]["error"][:6]) == (4, "no XML")  # type: ignore[index]


@pytest.mark.parametrize("line", ["<row />", '<row Id="x" PostTypeId="1" />', "<other/>", "words"])
def test_what_is_no_post_is_quarantined(tmp_path: Path, line: str) -> None:
    [row] = stackexchange(file_of(tmp_path, line + "\n"))
    assert row["quarantine"]["raw"] == line.encode() + b"\n"  # type: ignore[index]


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    rows = '<!DOCTYPE row [<!ENTITY a SYSTEM "file:///etc/passwd">]><row Id="1" PostTypeId="1" Body="&a;" />\n'
    [row] = stackexchange(file_of(tmp_path, rows))
    assert "no XML" in str(row["quarantine"]["error"])  # type: ignore[index]
