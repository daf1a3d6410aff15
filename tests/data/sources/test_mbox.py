"""Mail in mbox files: messages, threads, quotations, encodings, and what cannot be read."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from tunesmith.data.files import File
from tunesmith.data.sources.mbox import mbox, own_words


def mail(*headers: str, body: str = "Hello.\n", above: str = "From ann@x.org Fri May  1 12:00:00 2020") -> str:
    return "\n".join([above, *headers]) + "\n\n" + body + "\n"


FIRST = mail(
    "Message-ID: <1@x>", "From: Ann Lee <ann@x.org>", "Subject: =?utf-8?q?T=C3=A9a?=",
    "Date: Fri, 1 May 2020 12:00:00 +0200", "List-Id: Tea talk <tea.x.org>",
    body="Shall we?\n\nFrom here on.\n>From us.\n",
)  # fmt: skip
REPLY = mail(
    "Message-ID: <2@x>", "From: bob@y.org", "Subject: Re: Téa", "References: <1@x>",
    body="On Fri, 1 May 2020, Ann Lee wrote:\n> Shall we?\n\nLet us.\n-- \nBob\n",
)  # fmt: skip
LATER = mail("Message-ID: <3@x>", "Subject: RE: AW: Téa", body="Without references.\n")
OTHER = mail("Message-ID: <4@x>", "Subject: Coffee", "In-Reply-To: <gone@x>", body="Or coffee.\n")


def file_of(folder: Path, content: str | bytes, name: str = "list.mbox") -> File:
    raw = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return File(str(folder / name), name)


def test_a_message_is_a_record_with_its_facts(tmp_path: Path) -> None:
    first, *_ = mbox(file_of(tmp_path, FIRST + REPLY))
    assert first == {
        "text": "Shall we?\n\nFrom here on.\nFrom us.",
        "key": "1@x",
        "group": "1@x",
        "uri": "list.mbox",
        "line": 1,
        "offset": 0,
        "date": "2020-05-01T12:00:00+02:00",
        "meta": {"subject": "Téa", "from": "Ann Lee", "list": "tea.x.org"},
    }


def test_messages_of_a_thread_share_their_group(tmp_path: Path) -> None:
    rows = list(mbox(file_of(tmp_path, FIRST + REPLY + OTHER + LATER)))
    assert [(row["key"], row["group"]) for row in rows] == [
        ("1@x", "1@x"),
        ("2@x", "1@x"),
        ("4@x", "gone@x"),
        ("3@x", "1@x"),
    ]
    assert [(row["line"], row["offset"]) for row in rows][1] == (13, len(FIRST.encode()))


@pytest.mark.parametrize("name", ["list.mbox", "list.mbox.gz"])
def test_a_thread_is_one_document_where_asked_for(tmp_path: Path, name: str) -> None:
    first, second = mbox(file_of(tmp_path, FIRST + OTHER + REPLY, name), unit="thread", quotes="drop")
    assert first["text"] == (
        "Téa\n\nAnn Lee wrote on 2020-05-01:\n\nShall we?\n\nFrom here on.\nFrom us.\n\nbob@y.org wrote:\n\nLet us."
    )
    assert (first["key"], first["group"], second["group"]) == ("1@x", "1@x", "gone@x")


def test_quotations_and_signatures_stay_unless_they_are_dropped(tmp_path: Path) -> None:
    file = file_of(tmp_path, REPLY)
    assert next(mbox(file))["text"] == REPLY.partition("\n\n")[2].strip("\n")
    assert [row["text"] for row in mbox(file, quotes="drop")] == ["Let us."]


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("On Friday, Ann Lee <ann@x.org>\nwrote:\n\n> a\n> b\n\nYes.\n\n> c\nNo.", "Yes.\n\nNo."),
        ("Am 1. Mai schrieb Ann:\n> a\nJa.", "Ja."),
        ("Yes.\n\n-----Original Message-----\nFrom: Ann\na", "Yes."),
        ("She wrote:\nno quotation follows", "She wrote:\nno quotation follows"),
        ("Yes.\n" + "_" * 47 + "\ntea mailing list\ntea@x.org", "Yes."),
    ],
)
def test_own_words(text: str, own: str) -> None:
    assert own_words(text) == own


def test_the_plain_part_comes_before_html_and_attachments_are_left_out(tmp_path: Path) -> None:
    body = (
        "--b\nContent-Type: multipart/alternative; boundary=c\n\n"
        "--c\nContent-Type: text/html\n\n<p>Rich</p>\n--c\nContent-Type: text/plain\n\nPlain\n--c--\n"
        "--b\nContent-Type: text/plain\nContent-Disposition: attachment\n\nAttached\n--b--\n"
    )
    [row] = mbox(file_of(tmp_path, mail("Content-Type: multipart/mixed; boundary=b", body=body)))
    assert row["text"] == "Plain"
    html = "<style>p{}</style><p>One<br>two</p><blockquote>Asked</blockquote>"
    [row] = mbox(file_of(tmp_path, mail("Content-Type: text/html", body=html)))
    assert row["text"] == "One\ntwo\n\n> Asked"


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("iso-8859-2", "ł".encode("iso-8859-2"), "ł"),
        ("us-ascii", "é".encode(), "é"),
        ("iso-8859-1", "\x93quoted\x94".encode("latin-1"), "“quoted”"),
        ("x-unknown-to-all", "é".encode(), "é"),
    ],
)
def test_encodings_are_read_as_mail_programs_read_them(tmp_path: Path, charset: str, body: bytes, text: str) -> None:
    head = f"From a Fri May  1 12:00:00 2020\nContent-Type: text/plain; charset={charset}\n\n".encode()
    assert [row["text"] for row in mbox(file_of(tmp_path, head + body + b"\n"))] == [text]


def test_what_is_in_no_encoding_or_has_no_text_is_quarantined_and_the_rest_is_read(tmp_path: Path) -> None:
    bad = mail("Content-Type: text/plain; charset=utf-8", body="\udcff\n").encode("utf-8", "surrogateescape")
    image = mail("Content-Type: image/png", body="AAAA\n").encode()
    rows = list(mbox(file_of(tmp_path, bad + image + OTHER.encode())))
    entries = [row["quarantine"] for row in rows if "quarantine" in row]
    assert [(entry["line"], entry["error"]) for entry in entries] == [  # type: ignore[index]
        (1, "the text is said to be utf-8, and is not utf-8"),
        (6, "no text in the message, only image/png"),
    ]
    assert rows[2]["text"] == "Or coffee."


def test_what_stands_before_the_first_message_or_after_a_cut_is_quarantined(tmp_path: Path) -> None:
    rows = list(mbox(file_of(tmp_path, "some words\n\n" + OTHER)))
    assert rows[0]["quarantine"]["error"] == "text before the first `From ` line of a message"  # type: ignore[index]
    assert rows[1]["text"] == "Or coffee."
    [row] = mbox(file_of(tmp_path, ""))
    assert row["quarantine"]["error"] == "the file is empty"  # type: ignore[index]
    cut = file_of(tmp_path, FIRST * 2000, "list.mbox.gz")
    Path(cut.path).write_bytes(Path(cut.path).read_bytes()[:-20])
    *_, last = mbox(cut)
    assert "cut or damaged" in last["quarantine"]["error"]  # type: ignore[index]


def test_headers_that_are_broken_are_left_as_they_are(tmp_path: Path) -> None:
    [row] = mbox(file_of(tmp_path, mail("Subject: =?x-none?q?a?=", "From: =?utf-8?b?a?=", "Date: someday")))
    assert row["meta"] == {"subject": "=?x-none?q?a?=", "from": "=?utf-8?b?a?="}
    assert "date" not in row


def test_messages_stream(tmp_path: Path) -> None:
    file = file_of(tmp_path, mail("Subject: x", body="word " * 10_000 + "\n") * 200)
    tracemalloc.start()
    count = sum(1 for _ in mbox(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < 2_000_000  # of 10 MB
