"""StackExchange dumps: Posts.xml, with questions and their answers as documents or conversations.

In a dump each `<row ../>` is a line, and answers follow their question by any number of lines. So the file is read line
by line (a broken row costs one row, and its line is known) and twice: a first pass keeps two whole numbers for each
answer, its question and its place; the second goes from question to question and fetches the answers from their places.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from lxml import etree

from tunesmith.core.record import Record, message
from tunesmith.data.files import File, Line, lines
from tunesmith.data.sources._markup import html_text
from tunesmith.data.sources._whole import quarantined, seekable

VERSION = 1
SUFFIXES = (".xml",)
QUESTION, ANSWER = "1", b'PostTypeId="2"'
# The licence of a contribution by its day, where the row does not name it (stackoverflow.com/help/licensing).
LICENCES = (("2018-05-02", "CC-BY-SA-4.0"), ("2011-04-08", "CC-BY-SA-3.0"), ("", "CC-BY-SA-2.5"))
FRAME = (b"<?xml", b"\xef\xbb\xbf<?xml", b"<posts", b"</posts>")
END = b"</posts>"

_ANSWER_OF = re.compile(rb'ParentId="(\d+)"')
_TAGS = re.compile(r"[^<>|]+")

Post = Mapping[str, str]  # the attributes of a row


@dataclass(frozen=True)
class Row:
    """A post with the line and offset it stands at."""

    post: Post
    line: int | None
    offset: int


@dataclass(frozen=True)
class Index:
    """The answers of a file, sorted by question: its id, their offset and line, and whether they were taken."""

    questions: np.ndarray[tuple[int], np.dtype[np.int64]]
    offsets: np.ndarray[tuple[int], np.dtype[np.int64]]
    lines: np.ndarray[tuple[int], np.dtype[np.int64]]
    taken: np.ndarray[tuple[int], np.dtype[np.bool_]]

    def take(self, question: int) -> list[tuple[int, int]]:
        """The places of the answers to a question."""
        first, end = np.searchsorted(self.questions, [question, question + 1])
        self.taken[first:end] = True
        return list(zip(self.offsets[first:end].tolist(), self.lines[first:end].tolist(), strict=True))

    def left(self) -> list[tuple[int, int]]:
        """The places of the answers that no question took, in the order of the file."""
        return sorted(zip(self.offsets[~self.taken].tolist(), self.lines[~self.taken].tolist(), strict=True))


def stackexchange(file: File, *, unit: Literal["question", "answer", "chat"] = "question") -> Iterator[Record]:
    """One document for each question of a Posts.xml with its answers, or for each answer, or a chat with the best one.

    The best answer is the accepted one, else that of the highest score; answers stand in this order, and questions
    without any are no chats. Markup becomes plain text, with code between fences. Scores, tags and whether an answer
    was accepted are in meta, posts of one question share their group, and the licence is that of their day. Other
    posts (wikis, elections) are no rows. Quarantined: rows that are no XML, and answers whose question is missing.
    """
    index = _index(file)
    with seekable(file) as stream:
        for row in _questions(file):
            if not isinstance(row, Row):
                yield row
                continue
            answers: list[Row] = []
            for place in index.take(int(row.post["Id"])):
                answer = _answer_at(file, stream, *place)
                if isinstance(answer, Row):
                    answers.append(answer)
                else:
                    yield answer
            yield from _records(file, row, sorted(answers, key=lambda answer: _rank(row.post, answer.post)), unit)
    for offset, line in index.left():
        yield quarantined(file, "an answer whose question is not in this file", line=line, offset=offset)


def _index(file: File) -> Index:
    """The first pass; 24 bytes for each answer, whatever its length."""
    questions, offsets, numbers = array("q"), array("q"), array("q")
    for line in lines(file):
        if question := _question_of(line.raw):
            questions.append(question)
            offsets.append(line.offset)
            numbers.append(line.number or 0)
    order = np.argsort(np.asarray(questions), kind="stable")
    columns = [np.asarray(column)[order] for column in (questions, offsets, numbers)]
    return Index(columns[0], columns[1], columns[2], np.zeros(len(order), np.bool_))


def _question_of(raw: bytes) -> int | None:
    """The question that a row answers, from its bytes: quotation marks inside an attribute are always escaped."""
    match = _ANSWER_OF.search(raw) if ANSWER in raw else None
    return int(match.group(1)) if match else None


def _questions(file: File) -> Iterator[Row | Record]:
    """The questions one after the other, and quarantine rows for all that cannot be read, answers apart."""
    last: Line | None = None
    said = False  # whether the last line is quarantined already
    for line in lines(file):
        if line.error:
            yield quarantined(file, line.error, line=line.number, offset=line.offset)
            return
        if not line.raw.strip():
            continue
        last, said = line, False
        if line.raw.lstrip().startswith(FRAME) or _question_of(line.raw):
            continue
        row = _row(file, line)
        said = not isinstance(row, Row)
        if not isinstance(row, Row) or row.post.get("PostTypeId") == QUESTION:
            yield row
    if not said and (last is None or not last.raw.strip().endswith(END)):
        number, offset = (last.number, last.offset) if last else (None, None)
        yield quarantined(file, "the file ends here, before </posts>: it was cut", line=number, offset=offset)


def _answer_at(file: File, stream: BinaryIO, offset: int, number: int) -> Row | Record:
    stream.seek(offset)
    return _row(file, Line(stream.readline(), number, offset))


def _row(file: File, line: Line) -> Row | Record:
    """The post that a line holds, or the quarantine row that says why it holds none."""
    problem = "no <row ../> of a dump with a number as its Id"
    try:
        element = etree.fromstring(line.raw, etree.XMLParser(resolve_entities=False, no_network=True))
        if element.tag == "row" and element.get("Id", "").isdecimal():
            return Row({str(name): str(value) for name, value in element.attrib.items()}, line.number, line.offset)
    except etree.XMLSyntaxError as error:
        problem = f"no XML: {error.msg}"
    return quarantined(file, problem, line.raw, line=line.number, offset=line.offset)


def _records(file: File, question: Row, answers: Sequence[Row], unit: str) -> Iterator[Record]:
    post = question.post
    title = {"title": post["Title"]} if post.get("Title") else {}
    about = {**title, "tags": _TAGS.findall(post.get("Tags", ""))}
    group = {"group": post["Id"]}
    if unit == "answer":
        for answer in answers:
            meta = {**about, "question": post["Id"], **_facts(answer.post), "accepted": _is_accepted(post, answer.post)}
            yield {"text": _text(answer.post), **group, **_place(file, answer, [answer]), "meta": meta}
        return
    asked = "\n\n".join(part for part in (post.get("Title"), _text(post)) if part)
    facts = {**about, **_facts(post), "answers": len(answers)}
    if unit == "question":
        meta = {
            **facts,
            "accepted": "AcceptedAnswerId" in post,
            "answer_scores": [_score(each.post) for each in answers],
        }
        text = "\n\n".join([f"Q:\n\n{asked}", *(f"A:\n\n{_text(answer.post)}" for answer in answers)])
        yield {"text": text, **group, **_place(file, question, [question, *answers]), "meta": meta}
    elif answers:
        best = answers[0].post
        chosen = {"answer": best["Id"], "answer_score": _score(best), "accepted": _is_accepted(post, best)}
        messages = [message("user", asked), message("assistant", _text(best))]
        place = _place(file, question, [question, answers[0]])
        yield {"messages": messages, **group, **place, "meta": {**facts, **chosen}}


def _place(file: File, row: Row, posts: Iterable[Row]) -> dict[str, object]:
    licence = " AND ".join(sorted({_licence(each.post) for each in posts}))
    date = {"date": row.post["CreationDate"]} if row.post.get("CreationDate") else {}
    place = {"uri": file.uri, "line": row.line, "offset": row.offset}
    return {"key": row.post["Id"], "license": licence, **date, **place}


def _licence(post: Post) -> str:
    named = post.get("ContentLicense")
    day = post.get("CreationDate", "")
    return named.replace(" ", "-") if named else next(name for since, name in LICENCES if day >= since)


def _facts(post: Post) -> dict[str, object]:
    author = post.get("OwnerDisplayName") or post.get("OwnerUserId")
    return {"id": post["Id"], "score": _score(post), **({"author": author} if author else {})}


def _score(post: Post) -> int:
    written = post.get("Score", "")
    return int(written) if written.removeprefix("-").isdecimal() else 0


def _is_accepted(question: Post, answer: Post) -> bool:
    return question.get("AcceptedAnswerId") == answer["Id"]


def _rank(question: Post, answer: Post) -> tuple[bool, int, int]:
    return not _is_accepted(question, answer), -_score(answer), int(answer["Id"])


def _text(post: Post) -> str:
    return html_text(post.get("Body", ""), fence="```", quote="> ")
