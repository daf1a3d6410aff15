"""Toxicity: AUROC on the tweets that training never saw, and false positives of it, adult and violence on plain text.

The sentences about groups are other sentences about other groups than those of training. Nothing of the standards, the
novels and the bank questions was used in training either.
"""

from __future__ import annotations

import csv
import gzip
import html
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from checks.rows import Row
from numpy.typing import NDArray
from scipy.stats import rankdata
from train_toxicity import fold, tweets

from tunesmith.data.signals.adult import adult
from tunesmith.data.signals.toxicity import toxicity
from tunesmith.data.signals.violence import violence
from tunesmith.data.views import Views
from tunesmith.stats.intervals import mean

HALF, STRICT = 0.5, 0.8
GROUPS = (
    *(("Turk", "Turks"), ("Sikh", "Sikhs"), ("Buddhist", "Buddhists"), ("nonbinary person", "nonbinary people")),
    *(("Kenyan", "Kenyans"), ("Korean", "Koreans"), ("Roma woman", "Roma people"), ("Pole", "Poles")),
    *(("wheelchair user", "wheelchair users"), ("teenager", "teenagers"), ("Somali", "Somalis"), ("Cuban", "Cubans")),
    *(
        ("gay couple", "gays"),
        ("trans person", "trans people"),
        ("black person", "black people"),
        ("Jewish man", "Jews"),
    ),
    *(("Muslim man", "Muslims"), ("lesbian mother", "lesbians"), ("mother", "women"), ("migrant", "migrants")),
)
NEUTRAL = (
    "My best friend is a {one}.",
    "The mayor is a {one} who studied law.",
    "{many} were invited to the conference.",
    "I had dinner with some {many} yesterday.",
    "Being a {one} is nothing to hide.",
    "He is proud to be a {one}.",
    "Books by {many} are on the second shelf.",
    "No one should be insulted because they are a {one}.",
    "{many} pay taxes like everybody else.",
    "I am glad that the school employs {many}.",
    "Doctors who treat {many} need training.",
    "Our choir has two {many}.",
    "Why do {many} like this film?",
    "It is wrong to say that {many} are lazy.",
)
HATEFUL = (
    "I absolutely despise {many}.",
    "{many} are repulsive and dirty.",
    "All {many} should be killed.",
    "{many} are cockroaches.",
    "Exterminate the {many}.",
    "{many} are the scum of the earth.",
    "{many} are nothing but filth.",
    "These {many} are rats.",
    "fuck {many}",
    "Those damn {many} ruin everything.",
    "{many} are retarded.",
    "Somebody ought to shoot that {one}.",
)
PARAGRAPH = re.compile(r"<p[^>]*>(.*?)</p>", re.DOTALL)


def measure(data: Path) -> list[Row]:
    """AUROC on the held-out fold, false positive rates, recall of hateful sentences without slurs, and speed."""
    held_out = [row for row in tweets(data) if fold(row[0]) == 0]
    labels = np.array([is_toxic for _, is_toxic in held_out])
    scores = _scores("toxicity", [text for text, _ in held_out])
    area, reach = auroc(scores[labels], scores[~labels])
    rows = [Row("toxicity, AUROC, held-out tweets", area, len(labels), area - reach, min(area + reach, 1))]
    rows.append(_share("toxicity, toxic tweets found at 0.5", scores[labels] > HALF))
    rows.append(_share("toxicity, other tweets flagged at 0.5", scores[~labels] > HALF))
    plain = plain_texts(data)
    rows += [
        _share(f"toxicity, flagged at 0.5, {name}", _scores("toxicity", texts) > HALF, bar)
        for name, (texts, bar) in plain.items()
    ]
    hateful, neutral = _scores("toxicity", filled(HATEFUL)), _scores("toxicity", filled(NEUTRAL))
    area, reach = auroc(hateful, neutral)
    rows.append(
        Row(
            "toxicity, AUROC, hateful sentences about groups, slurs aside",
            area,
            len(hateful) + len(neutral),
            area - reach,
            area + reach,
        )
    )
    rows.append(_share("toxicity, hateful sentences about groups found at 0.5", hateful > HALF))
    for name in ("adult", "violence"):
        for kind, (texts, _) in plain.items():
            found = _scores(name, texts)
            rows += [_share(f"{name}, flagged at {limit}, {kind}", found > limit) for limit in (HALF, STRICT)]
    return [*rows, _speed(plain["standards"][0])]


def plain_texts(data: Path) -> Mapping[str, tuple[list[str], str]]:
    """Texts that nobody would flag, by name, each with its bar."""
    chapters = [_paragraphs(path) for path in sorted((data / "ebooks").rglob("*.xhtml.gz"))]
    with gzip.open(data / "eips" / "eips.jsonl.gz") as file:
        standards = [json.loads(line)["text"] for line in file]
    questions = [row["text"] for part in ("train", "test") for row in _rows(data / "banking77" / f"{part}.csv")]
    return {
        "standards": (standards, "<= 0.01"),
        "chapters of novels": (["\n".join(parts) for parts in chapters if parts], "<= 0.01"),
        "paragraphs of novels": ([part for parts in chapters for part in parts], "<= 0.01"),
        "bank questions": (questions, "<= 0.01"),
        "neutral sentences about groups": (filled(NEUTRAL), ""),
    }


def filled(sentences: Sequence[str]) -> list[str]:
    """Every sentence about every group."""
    return [text.replace("{one}", one).replace("{many}", many) for text in sentences for one, many in GROUPS]


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> tuple[float, float]:
    """The area under the ROC curve, and how far its 95 % interval reaches on either side (DeLong et al. 1988)."""
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)  # share of negatives below each positive
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    error = np.sqrt(np.var(above, ddof=1) / len(positive) + np.var(below, ddof=1) / len(negative))
    return float(np.mean(above)), float(1.96 * error)


def _scores(name: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """A score for each text, 0 where there is nothing to measure."""
    given = pa.array(texts)
    found = (
        toxicity(given)
        if name == "toxicity"
        else {"adult": adult, "violence": violence}[name](given, Views(given).words)
    )
    return np.nan_to_num(found)


def _share(what: str, flags: NDArray[np.bool_], bar: str = "") -> Row:
    number = mean(flags.astype(float))
    return Row(what, float(number.value or 0), number.n, number.low, number.high, bar)


def _paragraphs(path: Path) -> list[str]:
    found = PARAGRAPH.findall(gzip.decompress(path.read_bytes()).decode("utf-8"))
    plain = (" ".join(html.unescape(re.sub(r"<[^>]+>", "", part)).split()) for part in found)
    return [part for part in plain if part]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _speed(texts: Sequence[str]) -> Row:
    given, taken = pa.array(texts), []
    for _ in range(3):
        start = time.perf_counter()
        toxicity(given)
        taken.append(time.perf_counter() - start)
    size = sum(len(text.encode()) for text in texts) / 1e6
    return Row("toxicity, MB a second on one core, standards", size / min(taken), len(texts))
