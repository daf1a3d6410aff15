"""The compiled scanner: against a slow finder of planted values, and on invented sentences and their look-alikes."""

from __future__ import annotations

import ipaddress
import random
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from bench.checks.pii_sentences import VALUES, Sentence, sentences
from stdnum import iban, luhn

from tunesmith.data.identifiers import Finds, finds
from tunesmith.data.kernels.keccak import keccak_256

NOISE = [
    "abc",
    "xyz",
    "12",
    "3.4",
    "(see),",
    "Ünï",
    "日本",
    "5-6",
    "7:8",
    "/x/y",
    "#9",
    "foo_bar",
    "a.b\n",
    "-",
    "=",
    '"',
    "'",
    "@",
    ":",
    "::",
    "--",
    "...",
    "007",
    "$5",
    "10%",
    "é",
]


def _slow(text: str) -> set[tuple[str, int]]:
    """Every place where a plain expression and the library's check find something that stands between spaces."""
    found = set()
    for match in re.finditer(r"(?<!\S)\S+(?: [0-9A-Z]{1,4}(?!\S))*", text):
        given, at = match.group(), match.start()
        digits = re.sub(r"[ -]", "", given)
        if re.fullmatch(r"[\w.+%-]*\w@[\w-]+(?:\.[\w-]+)*\.[a-zA-Z]{2,}", given) and not re.search(
            r"[_.]@|\.\.", given
        ):
            found.add(("email", at))
        if re.fullmatch(r"4\d{15}|3[47]\d{13}|5[1-5]\d{14}", digits) and luhn.is_valid(digits):
            found.add(("card", at))
        if re.match(r"[A-Z]{2}\d\d", given) and iban.is_valid(given, check_country=False):
            found.add(("iban", at))
        if re.fullmatch(r"(?!9|000|666)\d{3}-(?!00)\d\d-(?!0000)\d{4}", given):
            found.add(("ssn", at))
        if _is_host(given):
            found.add(("ip", at))
    return found


def _is_host(given: str) -> bool:
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return False
    return address.is_global and (":" in given or int(given.partition(".")[0]) > 9)


def test_the_scanner_finds_whatever_a_slow_finder_does() -> None:
    rng = random.Random(1)
    texts = []
    for _ in range(400):
        words = rng.choices(NOISE, k=rng.randrange(1, 12))
        for _ in range(rng.randrange(3)):
            words.insert(rng.randrange(len(words) + 1), rng.choice(list(VALUES.values()))(rng))
        texts.append(" ".join(words))
    found = finds(pa.array(texts))
    wanted = [(row, *place) for row, text in enumerate(texts) for place in _slow(text)]
    spans = [found.spans(row) for row in range(len(texts))]
    missed = [
        (row, kind, at) for row, kind, at in wanted if not any(k == kind and s <= at < e for s, e, k in spans[row])
    ]
    assert len(wanted) > 200
    assert missed == []


def _right(sentence: Sentence, spans: list[tuple[int, int, str]]) -> bool:
    kind = sentence.kind.partition(",")[0]
    return any(k == kind and start < sentence.end and sentence.start < end for start, end, k in spans)


@pytest.mark.parametrize("seed", [11, 12])
def test_invented_identifiers_are_found_and_their_look_alikes_are_not(seed: int) -> None:
    given = sentences(seed, n=60)
    found = finds(pa.array([sentence.text for sentence in given]))
    spans = [found.spans(row) for row in range(len(given))]
    asked, hits, false = Counter[str](), Counter[str](), 0
    for sentence, places in zip(given, spans, strict=True):
        digits = sum(sign.isdigit() for sign in sentence.text[sentence.start : sentence.end])
        if sentence.kind and (sentence.kind != "phone" or digits >= 9):
            asked[sentence.kind] += 1
            hits[sentence.kind] += _right(sentence, places)
        false += sum(not (start < sentence.end and sentence.start < end) for start, end, _ in places)
        false += not sentence.kind and bool(places)
    assert {kind: hits[kind] / asked[kind] for kind in asked if kind != "phone"} == pytest.approx(
        dict.fromkeys(set(asked) - {"phone"}, 1.0), abs=0.02
    )
    assert hits["phone"] / asked["phone"] >= 0.93
    assert false <= 0.01 * sum(hits.values())


def test_rows_do_not_run_into_one_another() -> None:
    found = finds(pa.array(["4111 1111", " 1111 1111", "a@", "b.org", "10.1.2.", "3"]))
    assert len(found) == 0


def test_a_text_of_digits_only_is_read_in_time_linear_in_its_length() -> None:
    found = finds(
        pa.array(["7 " * 200_000, "1-" * 100_000, "a" * 300_000, "::" * 50_000, "@" * 50_000, "x://" * 50_000])
    )
    assert len(found) == 0


def test_counts_are_by_row_and_kind() -> None:
    found: Finds = finds(pa.array(["a@b.org c@d.org", None, "10.1.2.3"]))
    assert found.counts("email").tolist() == [2, 0, 0]
    assert found.counts("ip").tolist() == [0, 0, 1]
    assert found.value(2) == "10.1.2.3"


@pytest.mark.parametrize(
    ("message", "digest"),
    [  # of the Keccak team's test vectors
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_gives_the_known_digests(message: bytes, digest: str) -> None:
    assert keccak_256(np.frombuffer(message, np.uint8)).tobytes().hex() == digest
