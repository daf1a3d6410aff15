"""How toxic a text is."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.kernels.ngrams import scores
from tunesmith.data.views import bytes_of

VERSION = 1

MODEL = files("tunesmith.data.signals").joinpath("toxicity.npz")  # made by bench/train_toxicity.py
WORDS = 20  # of a window; about a sentence
PART = 0.1  # of a text's windows: the most toxic tenth speaks for a long text


def toxicity(texts: pa.StringArray) -> NDArray[np.float64]:
    """Probability that people would call an English text hateful or offensive, from 0 to 1.

    A linear model over words and letter n-grams reads windows of twenty words; the score is the mean over the most
    toxic tenth of them, and of one window at least. It knows swearing, slurs and threats; hate in polite words it often
    misses. docs/toxicity.md is its card: what it was trained on, how good it is, and where it errs.

    >>> toxicity(pa.array(["You are a fucking idiot."])).round(1).tolist()
    [1.0]
    >>> toxicity(pa.array(["I am a gay man from Leeds.", "Kill the child process with SIGKILL."])).round(1).tolist()
    [0.0, 0.1]
    >>> toxicity(pa.array(["", None, "..."])).tolist()
    [nan, nan, nan]
    """
    data, offsets = bytes_of(texts)
    measured: NDArray[np.float64] = scores(data, offsets, *_model(), WORDS, PART)
    return measured


@cache
def _model() -> tuple[NDArray[np.int8], float, float]:
    with MODEL.open("rb") as file, np.load(file) as model:
        return model["weights"], float(model["scale"]), float(model["bias"])
