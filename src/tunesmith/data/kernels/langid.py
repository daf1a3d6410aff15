"""py3langid's model: naive Bayes over the longest known byte n-gram that ends at each byte (Lui & Baldwin 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from scipy.special import softmax

from tunesmith.data.kernels.windows import Bounds, Bytes, windows

FRACTION = 512  # the weights are halves of 16 bits, so 512 times them are whole numbers below 2 ** 15
Floats = NDArray[np.float32]
COMBINING = "[\u0300-\u036f]"  # marks that composed forms have not


@dataclass(frozen=True)
class Model:
    """The automaton over bytes, and each n-gram's log-probability in each language."""

    codes: tuple[str, ...]
    folding: Floats  # adds up the columns of one code: a language in two scripts has two
    moves: NDArray[np.uint32]  # by row of the automaton and byte: the next state
    row: NDArray[np.int64]  # of the automaton, by state
    ngram: NDArray[np.int64]  # that a state has found, by state; -1 for none
    weights: NDArray[np.int16]
    priors: Floats


@cache
def load() -> Model:
    """The model that py3langid brings with it."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE
    from py3langid.modelio import load_model

    weights, priors, codes, moves, row, ngram = load_model(MODEL_DIR / MODEL_FILE)
    names = tuple(dict.fromkeys(codes))
    return Model(
        names,
        np.array([[name == code for name in names] for code in codes], np.float32),
        np.asarray(moves, np.uint32).reshape(-1, 256),
        np.asarray(row, np.int64),
        np.asarray(ngram, np.int64),
        (weights.astype(np.float32) * FRACTION).astype(np.int16),
        priors.astype(np.float32),
    )


def labelled(texts: pa.StringArray, characters: int) -> tuple[tuple[str, ...], Floats]:
    """The codes, and for each text the probability of each; all zero where no n-gram of the text is known."""
    model = load()
    data, begins, ends = windows(_composed(texts), characters)
    scores = np.zeros((len(texts), len(model.priors)), np.float32)
    found = np.zeros(len(texts), np.int64)
    _score(data, begins, ends, model.moves, model.row, model.ngram, model.weights, scores, found)
    lengths = np.maximum((ends - begins).sum(axis=1), 1)
    scores = (scores / FRACTION + model.priors) / np.sqrt(lengths)[:, None]  # py3langid: even for texts of any length
    shares = softmax(scores, axis=1) * (found > 0)[:, None]
    return model.codes, shares @ model.folding


def _composed(texts: pa.StringArray) -> pa.StringArray:
    """Texts as the model was trained on: letters composed with their marks, and no text all in capitals."""
    if pc.any(pc.match_substring_regex(texts, COMBINING)).as_py():
        texts = pc.utf8_normalize(texts, "NFC")
    shouted = pc.utf8_is_upper(texts)
    return pc.if_else(shouted, pc.utf8_lower(texts), texts) if pc.any(shouted).as_py() else texts


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _score(
    data: Bytes,
    begins: Bounds,
    ends: Bounds,
    moves: NDArray[np.uint32],
    row_of: NDArray[np.int64],
    ngram_of: NDArray[np.int64],
    weights: NDArray[np.int16],
    scores: Floats,
    found: Bounds,
) -> None:
    counts = np.zeros(len(weights), np.int32)
    seen = np.empty(len(weights), np.int64)
    for text in range(len(begins)):
        kinds = 0
        for window in range(3):
            state = 0
            for at in range(begins[text, window], ends[text, window]):
                state = moves[row_of[state], data[at]]
                ngram = ngram_of[state]
                if ngram >= 0:
                    if counts[ngram] == 0:
                        seen[kinds] = ngram
                        kinds += 1
                    counts[ngram] += 1
        for kind in range(kinds):
            ngram = seen[kind]
            times = np.float32(np.log1p(counts[ngram]))
            counts[ngram] = 0
            for code in range(weights.shape[1]):
                scores[text, code] += times * weights[ngram, code]
        found[text] = kinds
