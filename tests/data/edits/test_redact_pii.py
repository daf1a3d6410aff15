"""What is redacted, and, as important, what is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.data.edits.redact_pii import find, redact, redact_pii

GOLD = Path(__file__).parents[4] / "shared/data/pii/synth_dataset_v2.json"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to a.b+c@mail.example.co.uk.", "write to <EMAIL_ADDRESS>."),
        ("jürgen@bücher.example and 'q@w.org'", "<EMAIL_ADDRESS> and '<EMAIL_ADDRESS>'"),
        ("host 10.1.2.3:8080, then 2001:db8::8a2e:370:7334", "host <IP_ADDRESS>:8080, then <IP_ADDRESS>"),
        ("pay with 4111-1111-1111-1111 or 371449635398431", "pay with <PAYMENT_CARD> or <PAYMENT_CARD>"),
        ("+49 30 901820, tel:+442079460018", "<PHONE_NUMBER>, tel:<PHONE_NUMBER>"),
        ("(212) 555-0187 or 415-555-2671", "<PHONE_NUMBER> or <PHONE_NUMBER>"),
        ("My phone: 0410 787 999.", "My phone: <PHONE_NUMBER>."),
    ],
)
def test_identifiers_are_replaced_and_the_words_around_them_stay(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "version 1.2.3, v1.2.3.4 and release 10.0.0.1",
        "order number 123-456-7890, invoice 5105 1051 0510 5101",
        "order 4111 1111 1111 1112 has a wrong check digit",
        "pi is 3.141592653589793 and the time 1700000000000",
        "ISBN 978-3-16-148410-0, on 2026-11-23 at 12:30:45",
        "std::vector<a::b> at ::1, 127.0.0.1 and 0.0.0.0",
        "icon@2x.png, pkg@1.2.3, git@github.com:org/repo, @mention, a@b",
        "999.999.999.999 and 256.1.1.1",
        "1234567890 items",
    ],
)
def test_versions_dates_orders_and_code_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_only_the_kinds_that_are_asked_for_are_redacted() -> None:
    text = "a@b.org from 10.1.2.3"
    assert redact(text, ["ip"]) == "a@b.org from <IP_ADDRESS>"
    assert redact_pii(pa.array([text]), kinds=[]).to_pylist() == [text]


def test_a_batch_keeps_its_nulls_and_the_texts_that_hold_nothing() -> None:
    texts = pa.array(["plain", None, "mail a@b.org", "", "5 apples"])
    assert redact_pii(texts).to_pylist() == ["plain", None, "mail <EMAIL_ADDRESS>", "", "5 apples"]


def test_redacting_twice_changes_nothing_more() -> None:
    once = redact("call +49 30 901820 or mail a@b.org, card 4111 1111 1111 1111 at 10.1.2.3")
    assert redact(once) == once


@pytest.mark.skipif(not GOLD.exists(), reason="the gold set of personal data is not on this machine")
def test_on_sentences_with_gold_spans_next_to_all_are_found_and_next_to_nothing_else() -> None:
    names = {"CREDIT_CARD": "card", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip"}
    hits, found, wanted = (
        dict.fromkeys(names.values(), 0),
        dict.fromkeys(names.values(), 0),
        dict.fromkeys(names.values(), 0),
    )
    for row in json.loads(GOLD.read_text("utf-8")):
        gold = {
            (span["start_position"], span["end_position"], names[span["entity_type"]])
            for span in row["spans"]
            if span["entity_type"] in names
        }
        for _, _, kind in gold:
            wanted[kind] += 1
        for start, end, kind in find(row["full_text"]):
            found[kind] += 1
            hits[kind] += any(kind == k and start < e and s < end for s, e, k in gold)
    assert all(hits[kind] / found[kind] > 0.98 for kind in hits)
    assert all(hits[kind] / wanted[kind] > (0.85 if kind == "phone" else 0.99) for kind in hits)
