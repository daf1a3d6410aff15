"""Words, lines and paragraphs of a batch agree with what Python's own functions find in each text."""

from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.text import Lines, Paragraphs, Words
from tunesmith.data.views import Views

TEXTS = st.lists(st.none() | st.text("ab _é日٣𝒳\u0301-.\n\r\t ", max_size=12) | st.text(max_size=8), max_size=6)


def lines_of(text: str) -> list[str]:
    *ended, last = text.split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])


def paragraphs_of(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines_of(text):
        if line.strip(" \t\r\v\f"):
            found[-1].append(line)
        else:
            found.append([])
    return [lines for lines in found if lines]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_are_those_that_re_finds(texts: list[str | None]) -> None:
    words = Views(pa.array(texts, pa.string())).words
    assert [list(Words(words, row)) for row in range(len(texts))] == [re.findall(r"\w+", text or "") for text in texts]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_lines_are_those_between_line_ends(texts: list[str | None]) -> None:
    lines = Views(pa.array(texts, pa.string())).lines
    assert [list(Lines(lines, row)) for row in range(len(texts))] == [lines_of(text or "") for text in texts]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_paragraphs_are_the_lines_between_blank_ones(texts: list[str | None]) -> None:
    spans = Views(pa.array(texts, pa.string())).paragraphs
    found = [[re.split("\r?\n", part) for part in Paragraphs(spans, row)] for row in range(len(texts))]
    assert found == [paragraphs_of(text or "") for text in texts]


def test_a_slice_of_a_batch_sees_only_its_own_rows() -> None:
    texts = pa.array(["before it", "two words\nof two lines\n\nand a paragraph", "after it"]).slice(1, 1)
    views = Views(texts)
    assert list(Words(views.words, 0)) == ["two", "words", "of", "two", "lines", "and", "a", "paragraph"]
    assert list(Lines(views.lines, 0)) == ["two words", "of two lines", "", "and a paragraph"]
    assert list(Paragraphs(views.paragraphs, 0)) == ["two words\nof two lines", "and a paragraph"]


def test_each_view_is_computed_once() -> None:
    views = Views(pa.array(["some words"]))
    assert views.words is views.words
