"""MinHash signatures and sets of n-grams beside plain Python: how many there are, and how near the estimate comes."""

from __future__ import annotations

import random
import re

import numpy as np
import pyarrow as pa
import pytest

from tunesmith.data.kernels.minhash import ngram_sets, signatures
from tunesmith.data.kernels.words import table

SIGNS = table(("case",))
PLACES = 128


def pairs_of(similarity: float, count: int) -> tuple[list[str], float]:
    """Texts of random words, two by two, whose sets of words have this Jaccard similarity, and what it is exactly."""
    draw, size = random.Random(11), 200
    shared = round(2 * size * similarity / (1 + similarity))
    texts = []
    for _ in range(count):
        words = [f"w{draw.getrandbits(48)}" for _ in range(2 * size - shared)]
        texts += [" ".join(words[:size]), " ".join(words[size - shared :])]
    return texts, shared / (2 * size - shared)


@pytest.mark.parametrize("similarity", [0.5, 0.8, 0.95])
def test_two_signatures_agree_as_often_as_their_sets_do(similarity: float) -> None:
    texts, exact = pairs_of(similarity, 3000)
    made, _, _ = signatures(pa.array(texts), SIGNS, by_characters=False, n=1, permutations=PLACES)
    estimates = (made[0::2] == made[1::2]).mean(axis=1)
    deviation = (exact * (1 - exact) / PLACES) ** 0.5  # of independent permutations (Broder 1997)
    assert abs(estimates.mean() - exact) < 0.005
    assert estimates.std() == pytest.approx(deviation, rel=0.1)


def test_a_set_has_each_ngram_once_as_plain_python_counts_them() -> None:
    draw = random.Random(2)
    texts = [" ".join(draw.choices(["One", "two", "three", "größe"], k=draw.randint(0, 60))) for _ in range(200)]
    grams, bounds = ngram_sets(pa.array(texts), SIGNS, by_characters=False, n=3)
    _, sizes, _ = signatures(pa.array(texts), SIGNS, by_characters=False, n=3, permutations=16)
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        plain = {tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))} if words else set()
        own = grams[bounds[row] : bounds[row + 1]]
        assert len(set(own.tolist())) == len(own) == sizes[row] == len(plain)


def test_the_same_ngrams_in_any_order_and_number_have_the_same_signature_and_sums() -> None:
    texts = pa.array(["a b c", "c b a a", "a b d"])
    made, sizes, sums = signatures(texts, SIGNS, by_characters=False, n=1, permutations=PLACES)
    assert np.array_equal(made[0], made[1])
    assert sums[0].tolist() == sums[1].tolist() != sums[2].tolist()
    assert sizes.tolist() == [3, 3, 3]


def test_a_null_or_wordless_text_has_no_ngrams() -> None:
    texts = pa.array([None, "", "?!", "word"])
    _, sizes, _ = signatures(texts, SIGNS, by_characters=False, n=5, permutations=16)
    assert sizes.tolist() == [0, 0, 0, 1]
