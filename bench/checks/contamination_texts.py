"""Texts that hold items of benchmarks in four forms, and five families of texts that only look like it; all seeded."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

FORMS = ("verbatim", "reformatted", "embedded", "truncated")
FAMILIES = ("code", "template", "licences", "quotes", "topic")
CODE = re.compile(r"\b(python|javascript|code|programming|algorithm|function|string|array)\b")
MATHS = re.compile(r"\b(math|mathematics|how many|equation|probability|percent|price|\$\d+)\b")
TAG = re.compile(r"<[^>]+>")
LONG = 4_000  # characters of a document that an item is embedded in, at least


@dataclass(frozen=True)
class Labelled:
    """A text, the form or family it belongs to, and whether it holds an item."""

    kind: str
    text: str
    is_leak: bool


def problems(data: Path) -> list[dict[str, str]]:
    """The rows of GSM8K's test set and of HumanEval: texts by field, the one that is leaked first."""
    gsm8k = [{"question": row["question"], "answer": row["answer"]} for row in _rows(data / "gsm8k/test.jsonl.gz")]
    fields = ("prompt", "canonical_solution", "test")
    humaneval = [{name: row[name] for name in fields} for row in _rows(data / "humaneval/HumanEval.jsonl.gz")]
    return [*gsm8k, *humaneval]


def labelled(data: Path, rows: Sequence[Mapping[str, str]], *, most: int, seed: int) -> list[Labelled]:
    """Each form of up to `most` rows, and up to `most` texts of each family; the same ones for the same seed."""
    draw = random.Random(seed)
    around = _unrelated(data)
    texts = [next(iter(row.values())) for row in _some(draw, rows, most)]
    forms: dict[str, Callable[[str], str]] = {
        "verbatim": str,
        "reformatted": lambda text: _reformatted(draw, text),
        "embedded": lambda text: _embedded(draw, text, around),
        "truncated": lambda text: _truncated(draw, text),
    }
    leaks = [Labelled(form, make(text), True) for form, make in forms.items() for text in texts]
    clean = [Labelled(name, text, False) for name in FAMILIES for text in _family(name, data, rows, draw, most)]
    return [*leaks, *clean]


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines() if line]


def _some(draw: random.Random, given: Sequence[Mapping[str, str]], most: int) -> list[Mapping[str, str]]:
    return draw.sample(list(given), min(most, len(given)))


def _unrelated(data: Path) -> list[str]:
    """Chapters of novels and standards, which no item is from."""
    chapters = [_plain(path) for path in sorted((data / "ebooks").glob("*/chapter-1*.xhtml.gz"))]
    standards = [row["text"] for row in _rows(data / "eips/eips.jsonl.gz")]
    return [text for text in [*chapters, *standards] if len(text) > LONG]


def _plain(path: Path) -> str:
    return TAG.sub("", gzip.decompress(path.read_bytes()).decode()).strip()


def _reformatted(draw: random.Random, text: str) -> str:
    """Line breaks, punctuation, case, markdown or numbering changed: two of them, and never a word."""
    changes: list[Callable[[str], str]] = [
        lambda given: re.sub(r"\s+", lambda _: draw.choice([" ", " ", " ", "\n"]), given),
        lambda given: re.sub(r"[,.;:!?'\"]", lambda sign: draw.choice(["", sign[0], " " + sign[0]]), given),
        lambda given: given.upper() if draw.random() < 0.5 else given.lower(),
        lambda given: "\n".join(f"> **{line.strip()}**" for line in given.splitlines() if line.strip()),
        lambda given: "\n".join(
            f"{number}. {part}" for number, part in enumerate(re.split(r"(?<=[.?!])\s+|\n+", given.strip()), 1)
        ),
    ]
    for change in draw.sample(changes, 2):
        text = change(text)
    return text


def _embedded(draw: random.Random, text: str, around: Sequence[str]) -> str:
    words = draw.choice(around).split(" ")
    place = draw.randrange(len(words))
    return " ".join([*words[:place], text, *words[place:]])


def _truncated(draw: random.Random, text: str) -> str:
    """The first 60 to 70 of a hundred words."""
    words = re.findall(r"\S+\s*", text)
    return "".join(words[: max(1, round(len(words) * draw.uniform(0.6, 0.7)))])


def _family(name: str, data: Path, rows: Sequence[Mapping[str, str]], draw: random.Random, most: int) -> Iterator[str]:
    if name == "code":  # ordinary code, with the imports and idioms of solutions
        with ZipFile(data / "code_thealgorithms.zip") as archive:
            files = [name for name in archive.namelist() if name.endswith(".py")]
            yield from (archive.read(name).decode() for name in draw.sample(files, min(most, len(files))))
    elif name == "template":  # word problems that were written like those of the test set
        train = _rows(data / "gsm8k/train.jsonl.gz")
        yield from (f"{row['question']}\n{row['answer']}" for row in _some(draw, train, most))
    elif name == "licences":
        files = [*sorted(data.glob("*/LICENSE*")), *sorted(data.glob("*/*/LICENSE*"))]
        books = [
            path
            for part in ("imprint", "colophon", "uncopyright", "titlepage")
            for path in sorted((data / "ebooks").glob(f"*/{part}.xhtml.gz"))
        ]
        yield from ([path.read_text("utf-8", "replace") for path in files] + [_plain(path) for path in books])[:most]
    elif name == "quotes":  # three phrases of items in a text about something else
        for row in _some(draw, _rows(data / "dolly15k/dolly.jsonl.gz"), most):
            words = f"{row['context']} {row['response']}".split(" ")
            for item in draw.sample(list(rows), 3):
                words.insert(draw.randrange(len(words)), _phrase(draw, next(iter(item.values()))))
            yield " ".join(words)
    else:  # questions and answers about programming and arithmetic
        dolly = [row for row in _rows(data / "dolly15k/dolly.jsonl.gz") if _is_on_topic(row)]
        for row in _some(draw, dolly, most):
            yield "\n".join([row["instruction"], row["context"], row["response"]])


def _phrase(draw: random.Random, text: str) -> str:
    """Four to seven words that follow one another."""
    words = text.split()
    size = draw.randint(4, 7)
    start = draw.randrange(max(1, len(words) - size))
    return " ".join(words[start : start + size])


def _is_on_topic(row: Mapping[str, str]) -> bool:
    text = f"{row['instruction']} {row['response']}".lower()
    return bool(CODE.search(text) or MATHS.search(text))
