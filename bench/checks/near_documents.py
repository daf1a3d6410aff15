"""The documents that near-duplicate tools are held to: real ones with planted copies, and pages of one template."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from checks.near_truth import jaccard, shingles

SEED = 20261125
PLANTED = 1_000
EDITS = (0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05)  # share of words replaced; .02 is about J = .82
LENGTHS = range(80, 3_000)  # words of a document that is copied
FAMILIES, PAGES = 60, 12
ALIKE = (0.5, 0.78)  # from and to which similarity the pages of one template are made
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
SENTENCE_WORDS = range(8, 31)
TEMPLATE_SENTENCES = range(20, 61)


def with_copies(texts: Sequence[str]) -> list[str]:
    """The texts and edited copies of some of them, each after all that were there."""
    rng = random.Random(SEED)
    vocabulary = sorted({word for text in texts[:2_000] for word in text.split() if word.isalpha()})
    copied = [text for text in texts if text.count(" ") in LENGTHS]
    chosen = rng.sample(copied, PLANTED)
    return [*texts, *(_edited(text, EDITS[place % len(EDITS)], vocabulary, rng) for place, text in enumerate(chosen))]


def _edited(text: str, share: float, vocabulary: Sequence[str], rng: random.Random) -> str:
    parts = re.split(r"(\s+)", text)
    words = [place for place in range(0, len(parts), 2) if parts[place]]
    for place in rng.sample(words, round(len(words) * share)):
        parts[place] = rng.choice(vocabulary)
    return "".join(parts)


def template_pages(texts: Sequence[str]) -> list[str]:
    """Pages that differ in content and share a long template; no two of one template are as alike as 0.8."""
    rng = random.Random(SEED)
    sentences = _sentences(texts, rng)
    pages: list[str] = []
    while len(pages) < FAMILIES * PAGES:
        family = _family(sentences, rng)
        sets = [shingles(page) for page in family]
        alike = [jaccard(one, other) for one, other in combinations(sets, 2)]
        if ALIKE[0] <= min(alike) and max(alike) < ALIKE[1]:
            pages += family
    rng.shuffle(pages)
    return pages


def _sentences(texts: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Sentences of the documents in a drawn order, each once."""
    found: dict[str, None] = {}
    for text in texts:
        for sentence in SENTENCE.split(" ".join(text.split())):
            if len(sentence.split()) in SENTENCE_WORDS and sentence.endswith((".", "!", "?")):
                found[sentence] = None
    drawn = sorted(found)
    rng.shuffle(drawn)
    return iter(drawn)


def _family(sentences: Iterator[str], rng: random.Random) -> list[str]:
    """Pages of one template, each with sentences of its own in the middle of it.

    Pages that share s of their n-grams are alike by s / (2 - s).
    """
    template = [next(sentences) for _ in range(rng.choice(TEMPLATE_SENTENCES))]
    alike = rng.uniform(*ALIKE)
    own = round(len(template) * (1 - alike) / (2 * alike))
    half = len(template) // 2
    return [
        "\n".join([*template[:half], *(next(sentences) for _ in range(max(1, own))), *template[half:]])
        for _ in range(PAGES)
    ]


def read_texts(path: Path) -> list[str]:
    """The texts of a .jsonl file."""
    return [json.loads(line)["text"] for line in path.open("rb")]


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """A .jsonl file in which the id of each text is its position."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        for place, text in enumerate(texts):
            out.write(json.dumps({"id": str(place), "text": text}, ensure_ascii=False) + "\n")
