"""The quality counts are those that plain Python finds, on texts of every kind."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.kernels import plain_quality

from tunesmith.data.kernels.quality import LONGEST, counts

SIGNS = "ab AB.,'’\"-_/:@#{}[]()<>=+*^~$%€1…•—éЖß日٣。•→\u0301\u2009\n\r\t!?;&"
PIECES = ["the ", "To ", "n't ", "U.S. ", "i.e. ", "a.b.com/x ", "https://ab.cd ", "me@ab.org ", "Javascript ", "{ ",
    "lorem ipsum ", "privacy policy. ", "[1]", "it.[2][] ", "one two three. ", "... ", "\n\n", "\n", "\r\n",
    "- ", "well-known ",
]  # fmt: skip
TEXTS = st.lists(
    st.none()
    | st.text(SIGNS, max_size=30)
    | st.text(max_size=12)
    | st.lists(st.sampled_from(PIECES) | st.text("ab. ", max_size=3), max_size=40).map("".join)
    | st.text("ab ", max_size=80),
    max_size=5,
)


def found_in(texts: list[str | None]) -> list[dict[str, object]]:
    columns = {name: values.tolist() for name, values in asdict(counts(pa.array(texts, pa.string()))).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_counts_are_those_of_plain_python(texts: list[str | None]) -> None:
    assert found_in(texts) == [plain_quality.counts(text or "") for text in texts]


@pytest.mark.parametrize(
    ("chunk", "tokens"),
    [
        ("(don't!)", ["(", "do", "n't", "!", ")"]),
        ("Anna's", ["Anna", "'s"]),
        ("U.S.", ["U.S."]),
        ("J.", ["J."]),
        ("i.e.,", ["i.e.", ","]),
        ("end...", ["end", "..."]),
        ("well-known/used", ["well", "-", "known", "/", "used"]),
        ("end.Next", ["end", ".", "Next"]),
        ("https://example.org/a-b?c=d.", ["https://example.org/a-b?c=d", "."]),
        ("<someone@example.org>", ["<", "someone@example.org", ">"]),
        ("os.path.join(a-b)", ["os.path.join(a", "-", "b", ")"]),
        ("$5", ["$", "5"]),
        ("50%", ["50", "%"]),
        ("3-4", ["3", "-", "4"]),
        ("日本語。", ["日本語", "。"]),
    ],
)
def test_a_chunk_falls_into_tokens(chunk: str, tokens: list[str]) -> None:
    assert plain_quality.tokens(chunk) == tokens
    assert found_in([chunk]) == [plain_quality.counts(chunk)]


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST])
def test_a_chunk_of_any_length_is_read(size: int) -> None:
    found = found_in(["word " + "x," * (size // 2) + "x" * (size % 2) + " word"])[0]
    assert found["characters"] == size + 10
    assert found["words"] == (3 if size > LONGEST else 2 + (size + 1) // 2)


def test_a_large_document_of_many_lines_is_counted_like_its_parts() -> None:
    line = "Some words, and more of them; not many.\n"
    found = found_in([line * 40_000])[0]
    assert (found["lines"], found["repeated_lines"], found["paragraphs"]) == (40_000, 39_999, 1)
    assert found["tokens"] == 11 * 40_000
    assert found["c4_sentences"] == 40_000


def test_a_slice_of_a_column_has_the_counts_of_its_own_rows() -> None:
    texts = pa.array(["the first", "A second. Line\nof it", None, "last"])
    assert np.array_equal(counts(texts.slice(1, 2)).tokens, counts(texts).tokens[1:3])
    assert counts(texts.slice(4)).tokens.tolist() == []
    assert counts(pa.array([], pa.string())).tokens.tolist() == []


def test_bytes_that_are_no_utf_8_are_counted_and_not_read_past() -> None:
    broken = pa.array([b"ab \xff\xc3", b"\xe2\x80", b"\x80 \xf0\x9f\x98"]).view(pa.string())
    assert counts(broken).tokens.tolist() == [2, 1, 2]
