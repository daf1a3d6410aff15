"""Words and n-grams as hashes, beside plain Python."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunesmith.core.errors import UserError
from tunesmith.data.kernels.words import UNSPACED, hash_characters, hash_ngrams, table, word_bounds, word_hashes

ALONE = re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in UNSPACED) + "]")
WORD = re.compile(r"\w+")


def plain_words(text: str) -> list[str]:
    """The words as the docstring of the kernel has them."""
    found = []
    for word in WORD.findall(text):
        found += [piece for piece in re.split(f"({ALONE.pattern})", word) if piece]
    return found


def same_pattern(one: list[object], other: list[object]) -> bool:
    """Whether two lists are equal at the same places."""
    return [one.index(item) for item in one] == [other.index(item) for item in other]


@given(st.lists(st.one_of(st.none(), st.text()), max_size=5))
@example(["Größe GRÖSSE größe", None, "", "日本語のテキスト und Text", "a_b c-d 10,000", "ไทย ไทย", "İstanbul"])
@example(["\U0001f600 word\u0301s", "ＡＢＣ abc", "é e\u0301"])
def test_words_are_those_of_plain_python(texts: list[str | None]) -> None:
    hashes, rows = word_hashes(pa.array(texts, pa.string()), folds=())
    words = [plain_words(text or "") for text in texts]
    assert np.diff(rows).tolist() == [len(each) for each in words]
    assert same_pattern(hashes.tolist(), [word for each in words for word in each])


@given(st.text(max_size=40))
@example("Größe 日本 x")
def test_bounds_are_where_the_words_stand(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    starts, ends = np.zeros(len(data) + 1, np.int64), np.zeros(len(data) + 1, np.int64)
    count = word_bounds(data, 0, len(data), table(()), starts, ends)
    pieces = [data[start:end].tobytes().decode() for start, end in zip(starts[:count], ends[:count], strict=True)]
    assert pieces == plain_words(text)


@pytest.mark.parametrize(
    ("folds", "one", "other", "equal"),
    [
        (("case",), "Straße ÄRGER", "straße ärger", True),
        ((), "Word", "word", False),
        (("digits",), "v1 of 2024", "v9 of 1999", True),
        (("case",), "v1", "v2", False),
        (("accents",), "résumé", "resume", True),
        (("case", "width"), "ＡＢＣ１", "abc1", True),
        (("case",), "İzmir", "i\u0307zmir", False),  # the mark is no letter, so the second is two words
    ],
)
def test_folding_makes_equal_what_it_says(folds: tuple[str, ...], one: str, other: str, equal: bool) -> None:
    first, _ = word_hashes(pa.array([one]), folds=folds)  # type: ignore[arg-type]  # names of folds
    second, _ = word_hashes(pa.array([other]), folds=folds)  # type: ignore[arg-type]  # names of folds
    assert (first.tolist() == second.tolist()) is equal


def test_a_folding_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no folding 'colour'"):
        table(("case", "colour"))  # type: ignore[arg-type]  # that is the mistake


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 6))
def test_ngrams_are_equal_where_their_words_are(words: list[int], n: int) -> None:
    given_words = np.array([word * 0x9E3779B97F4A7C15 % 2**64 for word in words], np.uint64)
    found = np.zeros(len(words) + 1, np.uint64)
    count = hash_ngrams(given_words, len(words), n, found)
    size = min(n, len(words))
    expected = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)] if words else []
    assert count == len(expected)
    assert same_pattern(found[:count].tolist(), list(expected))


def test_a_short_text_is_no_ngram_of_a_longer_one() -> None:
    words = np.arange(1, 6, dtype=np.uint64)
    short, long = np.zeros(5, np.uint64), np.zeros(5, np.uint64)
    assert hash_ngrams(words, 3, 5, short) == 1
    assert hash_ngrams(words, 5, 3, long) == 3
    assert short[0] == long[0]  # three words are the same three words
    assert hash_ngrams(words, 5, 5, short) == 1
    assert short[0] not in long


def test_characters_are_those_of_words_with_one_space_between() -> None:
    def found(text: str) -> list[int]:
        data = np.frombuffer(text.encode(), np.uint8)
        hashes = np.zeros(len(data) + 1, np.uint64)
        return hashes[: hash_characters(data, 0, len(data), table(), hashes)].tolist()

    assert found("Ab,  c!") == found("ab c")
    assert len(found(" ab c ")) == 4
    assert len(found("日本")) == 2
