"""Contamination by n-grams: recall by form of leak, precision over texts that only look like leaks, and speed.

Items are GSM8K's test rows and HumanEval's; every second row chooses the settings, and the others are reported, so that
no item is in both. Beside it stands datatrove's rule on the same texts, in plain Python: one shared 12-gram drops.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
from checks.contamination_texts import FAMILIES, FORMS, Labelled, labelled, problems
from checks.rows import Row
from numpy.typing import NDArray

from tunesmith.core.numbers import Number
from tunesmith.data.benchmarks import COMMON, N_OF_CONVERSATIONS, N_OF_DOCUMENTS
from tunesmith.data.item_index import build_index
from tunesmith.data.kernels.words import word_hashes
from tunesmith.data.overlap import matches
from tunesmith.data.passes.contamination import BOUND
from tunesmith.stats.intervals import mean

MOST = 400  # of each form and family
SEED = 7
GRID = tuple(product((6, 8, 10, 13), (3, 10, 30), (0.3, 0.4, 0.5, 0.6)))  # n, common, bound
DATATROVE_N = 12  # its NGramsDecontConfig
NEVER = 1 << 30  # so many items have no n-gram in common
WORD = re.compile(r"[^\W_]+")
SPEED_BYTES = 60_000_000

Problem = Mapping[str, str]
Flags = NDArray[np.bool_]


def measure(data: Path) -> list[Row]:
    """What the settings chosen on one half are, how the defaults and datatrove's rule do on the other, and speed."""
    rows = problems(data)
    chosen, held = (labelled(data, rows[half::2], most=MOST, seed=SEED + half) for half in range(2))
    found = [_chosen(chosen, rows[0::2])]
    for n in (N_OF_DOCUMENTS, N_OF_CONVERSATIONS):
        flags = _overlaps(held, rows[1::2], n, COMMON) > BOUND
        found += _rows(f"contamination, n {n}", held, flags, bars=True)
    without = _overlaps(held, rows[1::2], N_OF_DOCUMENTS, NEVER) > BOUND
    found += _rows(f"contamination, n {N_OF_DOCUMENTS}, boilerplate not left out", held, without)[-2:]
    found += _rows("contamination, datatrove's rule: one 12-gram", held, _datatrove(held, rows[1::2]))
    return [*found, _speed(data, rows)]


def _overlaps(texts: Sequence[Labelled], rows: Sequence[Problem], n: int, common: int) -> NDArray[np.float64]:
    index = build_index(pa.array([text for row in rows for text in row.values()]), n=n, common=common)
    found = matches(index, pa.array([one.text for one in texts]))
    best = found.take(found.best)
    overlaps = np.zeros(len(texts))
    overlaps[best.rows] = best.overlaps
    return overlaps


def _chosen(texts: Sequence[Labelled], rows: Sequence[Problem]) -> Row:
    """The settings with the highest recall at a precision of 0.99 or more; of equals, the strictest."""
    best, told = -1.0, ""
    for n, common, bound in GRID:
        flags = _overlaps(texts, rows, n, common) > bound
        recall, precision = _recall(texts, flags).value, _precision(texts, flags).value
        if precision >= 0.99 and recall >= best:
            best, told = recall, f"n {n}, common {common}, bound {bound}: precision {precision:.4f}"
    return Row("contamination, recall of the best settings on the half that chooses", best, len(texts), note=told)


def _rows(name: str, texts: Sequence[Labelled], flags: Flags, *, bars: bool = False) -> list[Row]:
    kinds = np.array([one.kind for one in texts])
    rows = [_row(f"{name}, recall, {form}", mean(flags[kinds == form])) for form in FORMS]
    rows += [_row(f"{name}, flagged of {family}", mean(flags[kinds == family])) for family in FAMILIES]
    rows.append(_row(f"{name}, recall", _recall(texts, flags), ">= 0.90" if bars else ""))
    return [*rows, _row(f"{name}, precision", _precision(texts, flags), ">= 0.99" if bars else "")]


def _recall(texts: Sequence[Labelled], flags: Flags) -> Number:
    return mean(flags[[one.is_leak for one in texts]])


def _precision(texts: Sequence[Labelled], flags: Flags) -> Number:
    return mean(np.array([one.is_leak for one in texts])[flags])


def _row(what: str, number: Number, bar: str = "") -> Row:
    return Row(what, number.value, number.n, number.low, number.high, bar)


def _datatrove(texts: Sequence[Labelled], rows: Sequence[Problem]) -> Flags:
    ngrams = {gram for row in rows for text in row.values() for gram in _grams(text)}
    return np.array([not ngrams.isdisjoint(_grams(one.text)) for one in texts])


def _grams(text: str) -> list[tuple[str, ...]]:
    words = WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return list(zip(*(words[start:] for start in range(DATATROVE_N)), strict=False))


def _speed(data: Path, rows: Sequence[Problem]) -> Row:
    """The speed as a share of that of hashing the words of the same texts, on one core: the best of five turns each."""
    texts = [one.text for one in labelled(data, rows, most=1 << 20, seed=SEED) if not one.is_leak]
    size = sum(map(len, texts))
    column = pa.array(texts * max(1, SPEED_BYTES // size))
    index = build_index(pa.array([text for row in rows for text in row.values()]), n=N_OF_DOCUMENTS)
    alone, whole = (_best(work) for work in (lambda: word_hashes(column), lambda: matches(index, column)))
    note = f"{column.nbytes / whole / 1e6:.0f} MB/s, words alone {column.nbytes / alone / 1e6:.0f} MB/s"
    return Row("contamination, speed against words alone", alone / whole, column.nbytes, bar=">= 0.5", note=note)


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)
