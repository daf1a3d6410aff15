"""How dense the words of a list are in a text, from 0 to 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

PLAIN_WORDS = 40  # that are added to every text, so that one word of a short text does not settle it
HALFWAY = 2.0  # listed words in a hundred for a score of one half


def density(
    texts: pa.StringArray, counts: NDArray[np.int64], name: str, weights: Mapping[str, float]
) -> NDArray[np.float64]:
    """One minus one half to the power of the listed words in a hundred over HALFWAY; NaN where there are no words.

    `name` is a file beside the signals with one list for each of `weights`; no word of a list is found within another
    word, and the longest one counts where several begin.
    """
    hits = sum((weight * _hits(texts, _pattern(name, kind)) for kind, weight in weights.items()), np.zeros(len(texts)))
    with np.errstate(invalid="ignore"):
        share = 100 * hits / np.where(counts > 0, counts + PLAIN_WORDS, np.nan)
    return 1 - 0.5 ** (share / HALFWAY)


def _hits(texts: pa.StringArray, pattern: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = pc.count_substring_regex(texts.fill_null(""), pattern, ignore_case=True).to_numpy()
    return found


@cache
def _pattern(name: str, kind: str) -> str:
    from ruamel.yaml import YAML

    lists = YAML(typ="safe").load(files("tunesmith.data.signals").joinpath(f"{name}.yaml").read_text("utf-8"))
    words = sorted((word.strip() for word in lists[kind].split(",")), key=len, reverse=True)
    return rf"\b(?:{'|'.join(map(re.escape, words))})s?\b"
