from __future__ import annotations

import pytest

from tunesmith.serve.nearest import Row, nearest

ROWS = [
    Row("1", "def load_config(path)", "Load the configuration."),
    Row("2", "def save_config(path, config)", "Save the configuration."),
    Row("3", "def loadUserNames(path)", "Load the names of all users."),
    Row("4", "class Parser", "Parse text."),
]


def test_a_row_with_the_same_words_comes_first_with_similarity_one() -> None:
    found = nearest(ROWS, "def load_config(path)")
    assert (found[0].id, found[0].similarity, found[0].target) == ("1", 1.0, "Load the configuration.")
    assert [near.id for near in found] == ["1", "2", "3"]


def test_names_in_code_are_split_into_words() -> None:
    assert nearest(ROWS, "user names")[0].id == "3"
    assert nearest(ROWS, "LOAD Config")[0].id == "1"


def test_rare_words_count_for_more_than_common_ones() -> None:
    assert nearest(ROWS, "def parser")[0].id == "4"


def test_the_cosine_is_that_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["a cat and a dog", "a cat a cat a cat", "the dog", "nothing in common"]
    question = "a cat and the dog, a dog"
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    wanted = (vectorizer.fit_transform(texts) @ vectorizer.transform([question]).T).toarray()[:, 0]
    found = {
        near.id: near.similarity for near in nearest([Row(str(i), text, "") for i, text in enumerate(texts)], question)
    }
    assert [found.get(str(i), 0.0) for i in range(4)] == pytest.approx(wanted.tolist(), abs=1e-6)


def test_rows_without_a_common_word_are_never_near() -> None:
    assert nearest(ROWS, "weather") == []
    assert nearest(ROWS, "") == []
    assert nearest([], "load") == []


def test_equal_rows_come_in_the_order_of_their_ids() -> None:
    assert [near.id for near in nearest([Row("b", "x", ""), Row("a", "x", ""), Row("c", "x", "")], "x", n=2)] == [
        "a",
        "b",
    ]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    rows = [Row("1", "世界地図", ""), Row("2", "天気予報", "")]
    assert [near.id for near in nearest(rows, "世界")] == ["1"]
