"""The arm that learns nothing: the answer of the most similar training prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.base import Model
from tunesmith.models.function import FunctionModel
from tunesmith.models.rows import answer_of, chat_of, prompt_of

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

VERSION = 1
AT_ONCE = 128  # prompts compared with all rows at a time: bounds memory
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
Analyser = Literal["words", "characters", "identifiers"]


def nearest(
    *,
    base: Model | None,
    rows: Sequence[Mapping[str, object]],
    name: str,
    analyser: Analyser = "words",
) -> Model:
    """The answer of the training row whose prompt is nearest by tf-idf; ties go to the earlier row.

    `analyser` is "words", "characters" (2 to 4 of them, inside words) or "identifiers", which splits load_config and
    loadConfig into load and config. Raises UserError without rows, or without scikit-learn.
    """
    if not rows:
        raise UserError(f"{name}: nearest has no rows to look among.", "Name them, for example rows: docs.train.")
    prompts, targets = [prompt_of(chat_of(row)) for row in rows], [answer_of(row) for row in rows]
    vectorizer = _vectorizer(analyser)
    known = vectorizer.fit_transform(prompts).T.tocsr()

    def answer_all(asked: list[str]) -> list[str]:
        return [targets[row] for batch in _batches(asked) for row in _argmax(vectorizer.transform(batch) @ known)]

    return FunctionModel(name, answer_all)


def _batches(prompts: list[str]) -> Iterator[list[str]]:
    return (prompts[start : start + AT_ONCE] for start in range(0, len(prompts), AT_ONCE))


def _argmax(similarity: object) -> list[int]:
    return [int(row) for row in np.asarray(similarity.toarray()).argmax(axis=1)]  # type: ignore[attr-defined]  # a scipy matrix, untyped


def _vectorizer(analyser: Analyser) -> TfidfVectorizer:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise UserError("nearest needs scikit-learn.", 'Install it: pip install "tunesmith[evaluate]".') from error
    known: dict[str, dict[str, object]] = {
        "words": {"token_pattern": r"(?u)\w+"},
        "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
        "identifiers": {"analyzer": _identifier_parts},
    }
    if analyser not in known:
        raise UserError(f"nearest has no analyser {analyser!r}.", f"Analysers: {', '.join(known)}.")
    return TfidfVectorizer(sublinear_tf=True, **known[analyser])


def _identifier_parts(text: str) -> list[str]:
    return [part.lower() for part in PART.findall(text)]
