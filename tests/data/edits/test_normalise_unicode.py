"""Broken characters are mended, and right ones stay."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.data_toys import batch_of, op

from tunesmith.data.edits.normalise_unicode import normalise_unicode
from tunesmith.data.measure import apply


def one(text: str, **options: object) -> str:
    return str(normalise_unicode(pa.array([text]), **options)[0].as_py())


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("The Mona Lisa doesnâ€™t have eyebrows.", "The Mona Lisa doesn’t have eyebrows."),
        ("Ã¼ber die BrÃ¼cke", "über die Brücke"),
        ("l\u2019e\u0301te\u0301", "l’été"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("bell\x07, nul\x00, \x1b[31mred\x1b[0m", "bell, nul, red"),
        ("\ufeffmark at the start", "mark at the start"),
        ("price: 5\x80", "price: 5€"),
    ],
)
def test_what_is_broken_is_mended(broken: str, right: str) -> None:
    assert one(broken) == right


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII, a tab\t and\nlines",
        "“curly quotes”, ﬁne",
        "日本語の文",
        "R&amp;D, a &lt; b",
        "x² + H₂O",
        "😀 👩‍👩‍👧",
        "",
    ],
)
def test_what_is_right_stays_as_it_is(text: str) -> None:
    assert one(text) == text


def test_each_fix_can_be_left_out() -> None:
    assert one("schÃ¶n\r\n", fix=["line_ends"]) == "schÃ¶n\n"
    assert one("schÃ¶n\r\n", fix=["mojibake"]) == "schön\r\n"
    assert one("bell\x07", fix=["mojibake"]) == "bell\x07"


def test_a_form_that_folds_signs_has_to_be_asked_for() -> None:
    assert one("x² ﬁ") == "x² ﬁ"
    assert one("x² ﬁ", form="NFKC") == "x2 fi"


def test_nulls_and_the_order_of_a_batch_stay() -> None:
    texts = pa.array(["plain", None, "schÃ¶n", "", "cafe\u0301"])
    assert normalise_unicode(texts).to_pylist() == ["plain", None, "schön", "", "café"]
    assert normalise_unicode(texts.slice(2, 2)).to_pylist() == ["schön", ""]
    assert normalise_unicode(pa.array([], pa.string())).to_pylist() == []


def test_a_recipe_can_ask_for_it_in_conversations_too() -> None:
    batch = batch_of({"messages": [{"role": "user", "content": "schÃ¶n"}, {"role": "assistant", "content": "ja\r\n"}]})
    changed = apply(batch, [op("edit", "normalise_unicode")]).batch
    assert [turn["content"] for turn in changed["messages"][0].as_py()] == ["schön", "ja\n"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_what_was_normalised_stays_normalised(texts: list[str]) -> None:
    once = normalise_unicode(pa.array(texts, pa.string()), fix=["controls", "line_ends"])
    assert normalise_unicode(once, fix=["controls", "line_ends"]).equals(once)
    assert all(unicodedata.is_normalized("NFC", text) for text in once.to_pylist())
