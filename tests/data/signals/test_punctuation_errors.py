"""The signal punctuation_errors."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tunesmith.data.signals.punctuation_errors import punctuation_errors


def count(text: str) -> int:
    """Errors in a text."""
    return round(float(punctuation_errors(pa.array([text]))[0]) * len(text) / 100)


@pytest.mark.parametrize(
    "text",
    [
        "a word , and more",
        "a word . And more",
        "who ? me",
        "a word,, and more",
        "a word;. and more",
        "a word.. And more",
        "really!, he said",
        "a le,tter in it",
        "a co!d one",
        "one;two",
        "so ,two it is",
        "the mar~ket place",
        "to ~be or not",
        "the wi|l to live",
        "■The end",
        "a (word alone",
        "a word] alone",
        'a "word alone',
        "слово , и ещё",
        "a word .' and more",
    ],
)
def test_an_error_is_counted_once(text: str) -> None:
    assert count(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "He said: well... no … perhaps . . . yes.",
        "It costs 1,000.50 at 12:30, 3.14 or .5 of it; e.g. this, i.e. that, etc., and so on.",
        "Really?! No!! Why??",
        "See https://a.b/c,d;e?f=g!h, mail me,you@mail.org, or look in a.txt.",
        "Call foo(a,b), obj.method() and std::vector, or set x=1,y=2.",
        "Smile :-) and ;-) and :) and :( now.",
        "1) one, a) two, iv) three",
        "• one\n• two\n* three\n- four",
        "| a | b |\n|---|---|\n| c | d |",
        "don't 'quote' me, rock 'n' roll, the dogs' bowls",
        "« Bonjour »\u00a0! dit\u202f: oui",
        "Est-ce que les gens sont dans la maison ? Oui ; et pour une heure !",
        "well-known, ex-wife -- and so on — and on",
        "今日は、いい天気ですね。「はい」、そうです。",
        "نعم، هذا صحيح؛ أليس كذلك؟",
        "```\nif (a ,b) ;; x ? y\n```",
        "a : b, and ~5 of 10",
    ],
)
def test_what_has_its_use_is_no_error(text: str) -> None:
    assert count(text) == 0


def test_the_share_is_of_characters_not_of_bytes() -> None:
    latin, cyrillic = punctuation_errors(pa.array(["word ,word", "слов ,слов"]))
    assert latin == cyrillic == 10.0


def test_what_is_empty_is_not_measured_and_rows_do_not_touch() -> None:
    values = punctuation_errors(pa.array(["", None, "a (b", "c) d e", " \n "])).tolist()
    assert values[0] != values[0]
    assert values[1] != values[1]
    assert values[2:] == [25.0, 0.0, 0.0]


def test_a_slice_of_a_column_is_measured_as_itself() -> None:
    texts = pa.array(["x , y", "well, yes", "no ,, no"])
    assert punctuation_errors(texts[1:]).tolist() == punctuation_errors(pa.array(texts.to_pylist()[1:])).tolist()


def test_half_a_character_of_a_cut_text_does_not_reach_the_next() -> None:
    assert count("naïve 👍🏽, déjà vu… 日本") == 0
