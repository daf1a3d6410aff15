"""Train the model of the signal toxicity: `python bench/train_toxicity.py DATA`, in a few minutes on one core.

DATA holds labelled tweets (Davidson et al. 2017), a word list with severities (Surge AI) and texts that are taken to be
neutral: instructions, school mathematics, utterances, plays and code; the standard library of this Python is added. A
fifth of the tweets is held out, and never seen here. Nothing of the standards, novels and bank questions that
bench/checks/toxicity.py counts false positives on is used.
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import random
import re
import sys
import sysconfig
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from tunesmith.data.kernels.ngrams import BUCKETS, features, window_end
from tunesmith.data.signals.toxicity import MODEL, WORDS

FOLDS = 5  # of the tweets, by the hash of their letters, so that copies are in one fold; fold 0 is held out
PER_SOURCE = 12_000  # windows of each source of neutral text
STRONG = 1.4  # mean severity, from 1 to 3, from which a listed word is taken for an insult by itself
COMMON = 2e-6  # share of a listed word among neutral words, from which it is taken to have a plain meaning
INVERSE_PENALTY = 3.0  # of the regression; chosen among 1, 3, 10 and 30 on fold 1 and on sentences about other groups
TEMPLATES = Path(__file__).parent / "toxicity_templates.yaml"
WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Rows:
    """Texts with one label, and what all of them together weigh."""

    texts: Sequence[str]
    is_toxic: bool
    weight: float


def main(data: Path, out: Path = MODEL) -> None:
    """Train on all folds but the first and write the model file."""
    rows = training_rows(data, held_out={0})
    weights, bias = fit(rows, INVERSE_PENALTY)
    save(weights, bias, out)
    print(f"{sum(len(group.texts) for group in rows):,} texts, {out.stat().st_size:,} bytes in {out}")


def training_rows(data: Path, held_out: set[int]) -> list[Rows]:
    """All rows: tweets of the folds that are not held out, templates, insults and neutral windows."""
    rng = random.Random(0)
    labelled = [row for row in tweets(data) if fold(row[0]) not in held_out]
    templates: Mapping[str, list[str]] = YAML(typ="safe").load(TEMPLATES.read_text("utf-8"))
    neutral = [sample(rng, windows(texts)) for texts in neutral_texts(data)]
    counts = Counter(word for texts in neutral for text in texts for word in WORD.findall(text.lower()))
    insults = [form.replace("{word}", word) for word in slurs(data, counts) for form in templates["insults"]]
    return [
        Rows([text for text, is_toxic in labelled if is_toxic], is_toxic=True, weight=1.0),
        Rows([text for text, is_toxic in labelled if not is_toxic], is_toxic=False, weight=1.0),
        Rows(filled(templates, "hateful"), is_toxic=True, weight=0.2),
        Rows(filled(templates, "neutral"), is_toxic=False, weight=0.4),
        Rows(templates["plain"], is_toxic=False, weight=0.05),
        Rows(templates["threats"], is_toxic=True, weight=0.02),
        Rows(insults, is_toxic=True, weight=0.3),
        *(Rows(texts, is_toxic=False, weight=0.5) for texts in neutral),
    ]


def tweets(data: Path) -> Iterator[tuple[str, bool]]:
    """Each tweet without names, addresses and signs, and whether people called it hateful or offensive."""
    with gzip.open(data / "toxicity/davidson_labeled_data.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            text = html.unescape(html.unescape(row["tweet"]))
            text = re.sub(r"https?://\S+|\bRT\b|@\w+|[^\x00-\x7f]+|#", " ", text)
            yield " ".join(text.split()), row["class"] != "2"


def fold(text: str) -> int:
    """The fold of a tweet: the same for copies that differ in their signs."""
    letters = re.sub(r"\W+", "", text.lower())
    return int(sha256(letters.encode()).hexdigest()[:8], 16) % FOLDS


def filled(templates: Mapping[str, list[str]], kind: str) -> list[str]:
    """Every sentence of a kind with every group in it."""
    pairs = templates["groups"]
    return [text.replace("{one}", one).replace("{many}", many) for text in templates[kind] for one, many in pairs]


def slurs(data: Path, neutral: Counter[str]) -> list[str]:
    """Listed words that are severe and have hardly a plain meaning: nobody wrote them in the neutral texts."""
    limit = COMMON * neutral.total()
    with (data / "toxicity/surge_profanity/profanity_en.csv").open(encoding="utf-8", newline="") as file:
        listed = [row["text"] for row in csv.DictReader(file) if float(row["severity_rating"]) >= STRONG]
    return [
        word
        for word in listed
        if max((neutral[part] for part in WORD.findall(word)), default=0) <= limit or " " in word
    ]


def neutral_texts(data: Path) -> Iterator[list[str]]:
    """Texts that hardly anyone would call toxic, source by source."""
    yield [
        " ".join(str(row.get(key) or "") for key in ("instruction", "context", "response"))
        for row in lines(data / "dolly15k/dolly.jsonl.gz")
    ]
    yield [row["question"] + " " + row["answer"] for row in lines(data / "gsm8k/train.jsonl.gz")]
    yield [row["a1"] for row in lines(data / "ukpconvarg1/pairs.jsonl.gz")]
    with gzip.open(data / "clinc150/data_full.json.gz") as file:
        yield [text for text, _ in json.load(file)["train"]]
    with zipfile.ZipFile(data / "code_thealgorithms.zip") as archive:
        yield [
            archive.read(name).decode("utf-8", "replace") for name in sorted(archive.namelist()) if name.endswith(".py")
        ]
    yield [path.read_text("utf-8", "replace") for path in sorted((data / "tinyshakespeare").glob("*.txt"))]
    yield [path.read_text("utf-8", "replace") for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))]


def lines(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file of JSON lines."""
    with gzip.open(path) as file:
        yield from map(json.loads, file)


def windows(texts: Sequence[str]) -> list[str]:
    """The windows that the signal would cut these texts into."""
    return [window for text in texts for window in cut(text.encode())]


def cut(text: bytes) -> Iterator[str]:
    """The windows of one text."""
    data, at = np.frombuffer(text, np.uint8), 0
    while at < len(data):
        stop = window_end(data, at, len(data), WORDS)
        yield text[at:stop].decode("utf-8", "replace")
        at = stop


def sample(rng: random.Random, texts: list[str]) -> list[str]:
    """At most PER_SOURCE of these texts."""
    return rng.sample(texts, min(PER_SOURCE, len(texts)))


def matrix(texts: Sequence[str]) -> csr_matrix:
    """One row a text: how often each feature occurs, over the square root of how many there are."""
    found, counts = [], []
    for text in texts:
        data = np.frombuffer(text.encode(), np.uint8)
        places = np.empty(5 * len(data) + 1, np.int32)
        counts.append(features(data, 0, len(data), places))
        found.append(places[: counts[-1]].copy())
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    bounds = np.cumsum([0, *counts])
    made = csr_matrix((values, np.concatenate(found), bounds), shape=(len(texts), BUCKETS))
    made.sum_duplicates()
    return made


def fit(rows: Sequence[Rows], inverse_penalty: float) -> tuple[NDArray[np.float64], float]:
    """Logistic regression in which each group of rows weighs what it should, and tweets of both kinds the same."""
    texts = [text for group in rows for text in group.texts]
    labels = np.repeat([group.is_toxic for group in rows], [len(group.texts) for group in rows])
    tweets_each = 5_000.0
    each = [group.weight * tweets_each / len(group.texts) for group in rows]
    weights = np.repeat(each, [len(group.texts) for group in rows])
    model = LogisticRegression(C=inverse_penalty, max_iter=300, random_state=0)
    model.fit(matrix(texts), labels, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])


def save(weights: NDArray[np.float64], bias: float, out: Path) -> None:
    """Write the weights as whole numbers of eight bits, with their scale; the same bytes each time."""
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9999)) / 127
    small = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, weights=small, scale=np.float32(scale), bias=np.float32(bias))
    out.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
