"""Personal identifiers: recall and precision by kind, false phone numbers in technical text, and speed beside Presidio.

Two labelled sets: the 1,500 sentences of presidio-research (their values are generated, their frames written by hand),
and invented sentences with the example numbers of all regions (pii_sentences.py). A find is right if it overlaps a span
of its kind; a span is found if a find of its kind overlaps it. TUNESMITH_PRESIDIO_PYTHON names a Python that has
presidio-analyzer and spaCy.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from checks.pii_sentences import Sentence, sentences
from checks.rows import Row

from tunesmith.data.edits.redact_pii import redact_pii
from tunesmith.data.identifiers import _catalogue, finds
from tunesmith.stats.intervals import mean

KINDS = {
    "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "US_SSN": "ssn", "IP_ADDRESS": "ip", "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
}  # fmt: skip
BARS = {"phone": (">= 0.90", ">= 0.85"), "phone, fewer than 9 digits": ("", ""), "card, other issuers": ("", "")}
STRICT = (">= 0.98", ">= 0.95")
PEER_SENTENCES, PEER_SCORE = (
    300,
    0.4,
)  # Presidio tells a few hundred a second; 0.4 is the threshold of its own notebooks
PEER_TEXTS = 12
BATCH = 500
UNREAD = 3  # templates of the labelled set, modulo 4, whose misses were not read; of phones there are none such

Span = tuple[int, int, str]


@dataclass(frozen=True)
class Labelled:
    """A text with the spans that somebody marked, or that were put there."""

    text: str
    spans: tuple[Span, ...]
    template: int = 0


def measure(data: Path) -> list[Row]:
    """Recall and precision on both sets, false phones, speed."""
    gold = _gold(data)
    unread = [_without_phones(row) for row in gold if row.template % 4 == UNREAD]
    invented = [_invented(item) for item in sentences(1)]
    fresh = [_invented(item) for item in sentences(1) if item.is_fresh]
    rows = _judged("labelled", gold, _found(gold), BARS)
    rows += _judged("labelled, templates not read", unread, _found(unread), {})
    rows += _judged("invented, all", invented, _found(invented), {})
    rows += _judged("invented, frames written last", fresh, _found(fresh), {})
    rows += [_false_phones(name, texts) for name, texts in _technical(data).items()]
    return [*rows, *_speed(data, gold)]


def _invented(item: Sentence) -> Labelled:
    kind = item.kind.partition(",")[0]
    return Labelled(item.text, ((item.start, item.end, kind),) if kind else ())


def _without_phones(row: Labelled) -> Labelled:
    return replace(row, spans=tuple(span for span in row.spans if span[2] != "phone"))


def _gold(data: Path) -> list[Labelled]:
    rows = json.loads((data / "pii" / "synth_dataset_v2.json").read_text("utf-8"))
    return [
        Labelled(
            row["full_text"],
            tuple(
                (span["start_position"], span["end_position"], KINDS[span["entity_type"]])
                for span in row["spans"]
                if span["entity_type"] in KINDS
            ),
            row["template_id"],
        )
        for row in rows
    ]


def _found(rows: Sequence[Labelled]) -> list[list[Span]]:
    found = finds(pa.array([row.text for row in rows]))
    return [[(start, end, str(kind)) for start, end, kind in found.spans(row)] for row in range(len(rows))]


def _judged(
    name: str, rows: Sequence[Labelled], found: Sequence[Sequence[Span]], bars: dict[str, tuple[str, str]]
) -> list[Row]:
    """A row for the recall and one for the precision of each kind; of phones and cards the odd ones apart."""
    recalled: dict[str, list[bool]] = {}
    precise: dict[str, list[bool]] = {}
    for row, places in zip(rows, found, strict=True):
        for span in row.spans:
            recalled.setdefault(_class(row.text, span), []).append(_overlaps(span, places))
        for span in places:
            if span[2] in KINDS.values():
                precise.setdefault(_class(row.text, span), []).append(_overlaps(span, row.spans))
    made = []
    for kind in sorted(recalled):
        recall_bar, precision_bar = bars.get(kind, STRICT) if bars else ("", "")
        made.append(_share(f"pii, {name}: recall on {kind}", recalled[kind], recall_bar))
        made.append(_share(f"pii, {name}: precision on {kind}", precise.get(kind, []), precision_bar))
    return [row for row in made if row is not None]


def _class(text: str, span: Span) -> str:
    digits = "".join(sign for sign in text[span[0] : span[1]].lower().partition("x")[0] if sign.isdigit())
    if span[2] == "phone" and len(digits) < 9:
        return "phone, fewer than 9 digits"
    if span[2] == "card" and not _has_issuer(digits):
        return "card, other issuers"
    return span[2]


def _has_issuer(digits: str) -> bool:
    return any(
        len(digits) in lengths and first <= int(digits[: len(str(first))]) <= last
        for _, first, last, lengths in _catalogue()["issuers"]
    )


def _overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span[2] == kind and span[0] < end and start < span[1] for start, end, kind in others)


def _share(what: str, right: Sequence[bool], bar: str) -> Row | None:
    if not right:
        return None
    number = mean([float(value) for value in right])
    return Row(what, number.value, len(right), number.low, number.high, bar, "Wilson interval")


def _technical(data: Path) -> dict[str, list[str]]:
    eips = _lines(data / "eips" / "eips.jsonl.gz", ("text",))
    gsm8k = [
        text
        for part in ("train", "test")
        for text in _lines(data / "gsm8k" / f"{part}.jsonl.gz", ("question", "answer"))
    ]
    with zipfile.ZipFile(data / "code_thealgorithms.zip") as archive:
        code = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist() if not name.endswith("/")]
    return {"eips": eips, "gsm8k": gsm8k, "code": code}


def _lines(path: Path, keys: Sequence[str]) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return ["\n".join(json.loads(line)[key] for key in keys) for line in lines]


def _false_phones(name: str, texts: Sequence[str]) -> Row:
    """Every find counts as false, also the real numbers of whoever is named as a contact."""
    size = sum(len(text.encode()) for text in texts)
    count = int(finds(pa.array(texts), ["phone"]).counts("phone").sum())
    note = f"{count} in {size / 1e6:.1f} MB; numbers that stand there as examples of phones count too"
    return Row(f"pii, false phones per 100 KB of {name}", count / size * 1e5, count, None, None, "<= 1", note)


def _speed(data: Path, gold: Sequence[Labelled]) -> list[Row]:
    texts = _technical(data)["eips"]
    batches = [pa.array(texts[place : place + BATCH]) for place in range(0, len(texts), BATCH)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    ours = size / min(_timed(batches) for _ in range(3))
    rows = [Row("pii, all kinds redacted, MB/s on one core (eips)", ours, len(texts))]
    return rows + _beside_presidio(texts[:PEER_TEXTS], gold[:PEER_SENTENCES], ours)


def _timed(batches: Sequence[pa.StringArray]) -> float:
    started = time.perf_counter()
    for batch in batches:
        redact_pii(batch)
    return time.perf_counter() - started


def _beside_presidio(texts: Sequence[str], gold: Sequence[Labelled], ours: float) -> list[Row]:
    python = os.environ.get("TUNESMITH_PRESIDIO_PYTHON")
    if not python:
        return [Row("pii, times as fast as Presidio", 0.0, 0, note="peer not installed")]
    given = json.dumps([*texts, *(row.text for row in gold)])
    script = Path(__file__).with_name("pii_peer.py")
    run = subprocess.run([python, script], input=given, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    size = sum(len(text.encode()) for text in texts) / 1e6
    theirs = size / sum(told["seconds"][: len(texts)])
    note = f"pattern recognisers, blank spaCy pipeline: {theirs * 1000:.0f} KB/s on {len(texts)} texts of eips"
    places = [
        [(start, end, KINDS[kind]) for start, end, kind, score in found if score >= PEER_SCORE]
        for found in told["found"][len(texts) :]
    ]
    return [
        Row("pii, times as fast as Presidio", ours / theirs, len(texts), note=note),
        *_judged("labelled, first 300, Presidio's", gold, places, {}),
        *_judged("labelled, first 300, ours", gold, _found(gold), {}),
    ]
