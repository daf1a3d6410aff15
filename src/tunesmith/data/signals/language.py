"""The language a text is written in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.record import LocalPath
from tunesmith.data.arrays import arrow
from tunesmith.data.kernels import fasttext, langid

VERSION = 2
USES = ("py3langid",)  # their versions are part of the KEY
MEASURES = ("", "score")

UNKNOWN = "und"  # ISO 639-2 for undetermined
NO_LANGUAGE = "zxx"  # ISO 639-2 for no linguistic content: what the model calls numbers, markup and names of variables


def language(
    texts: pa.StringArray, *, characters: int = 1000, unsure: float = 0.1, model: LocalPath | None = None
) -> dict[str, pa.Array]:
    """Language of a text as its ISO 639 code, or "und" where nothing tells it; `score` is the code's probability.

    Of a text of more than `characters`, its beginning, middle and end are read. Below a probability of `unsure` the
    code is "und", as it is for numbers and markup. The model is py3langid's, of 139 languages; `model` may be a file of
    fastText instead, such as lid.176.ftz or GlotLID: then codes and probabilities are those that fastText gives.

    >>> told = language(pa.array(["The cat is on the roof.", "Le chat dort sur le toit.", "日本語の文です。", "12:30"]))
    >>> told[""].to_pylist()
    ['en', 'fr', 'ja', 'und']
    >>> [round(score, 1) for score in told["score"].to_pylist()]
    [1.0, 1.0, 1.0, 0.0]
    >>> language(pa.array(["Der Hund schläft unter dem Tisch.", None, ""]))[""].to_pylist()
    ['de', None, 'und']
    """
    codes, shares = langid.labelled(texts, characters) if model is None else fasttext.labelled(texts, characters, model)
    scores = arrow(np.minimum(shares.max(axis=1), 1))  # fastText's own can be a little over 1
    named = pa.array(codes).take(arrow(shares.argmax(axis=1)))
    is_told = pc.and_(pc.greater_equal(scores, unsure), pc.not_equal(named, NO_LANGUAGE))
    measured = {"": pc.if_else(is_told, named, UNKNOWN), "score": scores}
    return {name: pc.if_else(texts.is_valid(), column, None) for name, column in measured.items()}
