"""Whether perplexity and punctuation errors tell scanned text (OCR) from its clean text.

`ocr/*.tsv` of the data folder: lines of books and newspapers as a machine read them (`input`) and as they are
(`output`). Consecutive lines make documents of about 2,000 characters. The area under the ROC curve is the chance that
a random OCR document scores above a random clean one; its interval is a bootstrap over documents, both sides of one
document together. A model learns from clean text of other documents only: the even ones of every source measure the
odd ones, and the other way round. The rows "in the corpus" are harder: the corpus holds either side of each document,
at random, and the model learns from what it measures (one half of the texts measures the other), as in a recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from checks.rows import Row
from numpy.typing import NDArray
from scipy.stats import rankdata

from tunesmith.core.record import Fitted, LocalPath
from tunesmith.data.signals.perplexity import fit, perplexity
from tunesmith.data.signals.punctuation_errors import punctuation_errors

CHARACTERS = 2_000  # of a document, about
BAR = ">= 0.8"
ROUNDS = 1_000
SHORTEST = 40  # characters of a single line that is judged

Scores = NDArray[np.float64]  # one row a document: of its clean text, of its OCR
Judge = Callable[[list[tuple[str, str]]], Scores]


def measure(data: Path) -> list[Row]:
    """AUROC of both signals over all sources and by source, on documents and on single lines."""
    lines = {path.stem: _lines(path) for path in sorted((data / "ocr").glob("*.tsv"))}
    documents = {name: _documents(pairs) for name, pairs in lines.items()}
    rows = []
    for what, judge in (("perplexity", _by_halves(documents)), ("punctuation errors", _punctuation)):
        scores = {name: judge(pairs) for name, pairs in documents.items()}
        rows.append(_row(f"OCR by {what}", list(scores.values()), BAR))
        rows += [_row(f"OCR by {what}, {name}", [values]) for name, values in scores.items()]
        long = {name: [pair for pair in pairs if min(map(len, pair)) >= SHORTEST] for name, pairs in lines.items()}
        judge_lines = _by_halves(long) if what == "perplexity" else judge
        rows.append(_row(f"OCR by {what}, single lines", [judge_lines(pairs) for pairs in long.values()]))
    return [*rows, _in_the_corpus([pair for pairs in documents.values() for pair in pairs])]


def _lines(path: Path) -> list[tuple[str, str]]:
    """Clean text and OCR of each line."""
    rows = [line.split("\t") for line in path.read_text("utf-8").split("\n")[1:] if line.count("\t") >= 2]
    return [(row[2].strip(), row[1].strip()) for row in rows]


def _documents(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    made, lines = [], []
    for pair in pairs:
        lines.append(pair)
        clean, read = (" ".join(side) for side in zip(*lines, strict=True))
        if min(len(clean), len(read)) >= CHARACTERS:
            made.append((clean, read))
            lines = []
    return made


def _by_halves(sources: dict[str, list[tuple[str, str]]]) -> Judge:
    """Perplexity of each half under a model of the clean text of the other halves of all sources."""
    learnt = [
        [clean for pairs in sources.values() for number, (clean, _) in enumerate(pairs) if number % 2 != half]
        for half in (0, 1)
    ]
    judges = [_perplexity(texts) for texts in learnt]

    def judge(pairs: list[tuple[str, str]]) -> Scores:
        scores = np.zeros((len(pairs), 2))
        for half in (0, 1):
            for side in (0, 1):
                scores[half::2, side] = judges[half]([pair[side] for pair in pairs[half::2]])
        return scores

    return judge


def _perplexity(clean: list[str]) -> Callable[[list[str]], NDArray[np.float64]]:
    folder = TemporaryDirectory()
    reference = Path(folder.name, "clean.txt")
    reference.write_text("\n".join(clean), "utf-8")
    fit(iter([]), Path(folder.name), reference=LocalPath(str(reference)))

    def judge(texts: list[str]) -> NDArray[np.float64]:
        return perplexity(pa.array(texts, pa.string()), model=Fitted(folder.name))

    return judge


def _punctuation(pairs: list[tuple[str, str]]) -> Scores:
    return np.stack([punctuation_errors(pa.array(side, pa.string())) for side in zip(*pairs, strict=True)], 1)


def _in_the_corpus(pairs: list[tuple[str, str]]) -> Row:
    """Half of the documents are OCR, half are clean, and all are what the models learn from."""
    is_read = np.random.default_rng(7).random(len(pairs)) < 0.5
    texts = pa.array([pair[int(side)] for pair, side in zip(pairs, is_read, strict=True)])
    with TemporaryDirectory() as folder:
        fit(iter([texts]), Path(folder))
        values = perplexity(texts, model=Fitted(folder))
    note = f"trained on {len(pairs)} documents, {is_read.sum()} of them OCR"
    return Row("OCR by perplexity, in the corpus", _auroc(values[~is_read], values[is_read]), len(pairs), note=note)


def _row(what: str, scores: list[Scores], bar: str = "") -> Row:
    """The area over these sources, with a bootstrap over the documents of each."""
    rng = np.random.default_rng(7)
    resampled = []
    for _ in range(ROUNDS):
        drawn = np.concatenate([values[rng.integers(len(values), size=len(values))] for values in scores])
        resampled.append(_auroc(*drawn.T))
    low, high = np.quantile(resampled, [0.025, 0.975])
    whole = np.concatenate(scores)
    return Row(what, _auroc(*whole.T), len(whole), float(low), float(high), bar, "pairs of clean text and OCR")


def _auroc(clean: NDArray[np.float64], read: NDArray[np.float64]) -> float:
    ranks = rankdata(np.concatenate([clean, read]))
    above = ranks[len(clean) :].sum() - len(read) * (len(read) + 1) / 2
    return float(above / (len(clean) * len(read)))
