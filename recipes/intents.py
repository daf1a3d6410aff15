"""The user code of intents.yaml: labels in words, whether an answer is a known intent, and the baseline to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tunesmith.models.rows import chat_of, prompt_of, target_of


def label_in_words(record: Mapping[str, object]) -> dict[str, object]:
    """Write the label as words, so that the answer shares its tokens with the question.

    >>> record = {"messages": [{"role": "assistant", "content": "top_up_failed"}]}
    >>> label_in_words(record)["target"]
    'top up failed'
    """
    *asked, answer = cast("Sequence[Mapping[str, object]]", record["messages"])
    words = str(answer["content"]).replace("_", " ")
    return {"messages": [*asked, {**answer, "content": words}], "target": words}


def known_intent(answers: Sequence[str], targets: Sequence[str]) -> list[float]:
    """Score 1.0 for an answer that is one of the intents of the test rows, right or wrong, else 0.0.

    >>> known_intent(["age limit", "card limit", ""], ["age limit", "top up failed", "age limit"])
    [1.0, 0.0, 0.0]
    """
    intents = {target.strip() for target in targets}
    return [float(answer.strip() in intents) for answer in answers]


def linear_svm(rows: Sequence[Mapping[str, object]]) -> Callable[[Sequence[str]], list[str]]:
    """Fit a linear support vector machine on tf-idf of words and characters: seconds of work, and hard to beat."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = make_pipeline(make_union(words, characters), LinearSVC(random_state=0))
    model.fit([prompt_of(chat_of(row)) for row in rows], [target_of(row) for row in rows])

    def answer_all(prompts: Sequence[str]) -> list[str]:
        return [str(label) for label in model.predict(list(prompts))]

    return answer_all
