"""What tests/passes.yaml reads: documents with copies, edits, boilerplate and leaks, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator

DOCUMENTS = 1_500
NOTICE = ("Home | About | Contact us today", "All rights reserved by the makers of this page.", "Accept all cookies")
QUESTIONS = 200


def documents(*, seed: int) -> Iterator[dict[str, object]]:
    """Documents of random words: some are copies, some edited copies, many carry notices, a few quote a question."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 9))) for _ in range(3_000)]
    asked = [str(item["text"]) for item in questions()]
    texts: list[str] = []
    for number in range(DOCUMENTS):
        text = _text(draw, words)
        if texts and draw.random() < 0.2:
            text = _edited(draw, draw.choice(texts[-300:]), words)
        if draw.random() < 0.3:
            text = f"{draw.choice(NOTICE)}\n{text}\n{draw.choice(NOTICE)}"
        if draw.random() < 0.02:
            text = f"{text}\n{draw.choice(asked)}"
        texts.append(text)
        yield {"text": text, "group": f"author {number % 300}"}


def questions() -> Iterator[dict[str, object]]:
    """Items of a benchmark: sentences of twelve to thirty words."""
    draw = random.Random(11)
    words = ["".join(draw.choices("aeioumnprst", k=draw.randint(3, 8))) for _ in range(900)]
    for number in range(QUESTIONS):
        yield {"key": str(number), "text": " ".join(draw.choices(words, k=draw.randint(12, 30))) + "?"}


def _text(draw: random.Random, words: list[str]) -> str:
    lines = [" ".join(draw.choices(words, k=draw.randint(5, 14))) for _ in range(draw.randint(3, 25))]
    return "\n".join(lines)


def _edited(draw: random.Random, text: str, words: list[str]) -> str:
    """A copy with so many of a hundred words put in the place of others: none, one, four or thirty."""
    share = draw.choice((0.0, 0.01, 0.04, 0.3))
    return " ".join(draw.choice(words) if draw.random() < share else word for word in text.split(" "))
