"""How toxic a text is."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.kernels.ngrams import scores
from tunesmith.data.kernels.windows import bytes_of

VERSION = 1

MODEL = files("tunesmith.data.signals").joinpath("toxicity.npz")
WORDS = 20  # of a window; about a sentence
PART = 0.1  # of a text's windows: the most toxic tenth speaks for it


def toxicity(texts: pa.StringArray) -> NDArray[np.float64]:
    """Probability that people would call a text hateful or offensive, from 0 to 1."""
    data, offsets = bytes_of(texts)
    weights, scale, bias = _model()
    return scores(data, offsets, weights, scale, bias, WORDS, PART)


@cache
def _model() -> tuple[NDArray[np.int8], float, float]:
    with MODEL.open("rb") as file, np.load(file) as model:
        return model["weights"], float(model["scale"]), float(model["bias"])
