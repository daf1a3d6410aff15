"""The signal pii, and what is found on labelled sentences."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.core.registry import Named
from tunesmith.data.identifiers import KINDS
from tunesmith.data.measure import apply
from tunesmith.data.op import Op
from tunesmith.data.signals.pii import MEASURES, pii

GOLD = Path(os.environ.get("TUNESMITH_DATA", "")) / "pii/synth_dataset_v2.json"
NAMES = {"CREDIT_CARD": "card", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "IP_ADDRESS": "ip", "US_SSN": "ssn",
         "IBAN_CODE": "iban"}  # fmt: skip


def test_each_kind_is_a_measure_and_a_missing_text_is_not_measured() -> None:
    batch = pa.RecordBatch.from_pydict({"id": ["1", "2"], "text": pa.array(["a@b.org, c@d.org", None])})
    measured = apply(batch, [Op("signal", Named("signal", "pii"), "pii")]).batch
    assert [name for name in measured.schema.names if name.startswith("signal.")] == [
        f"signal.pii.{key}" for key in MEASURES
    ]
    assert measured["signal.pii.email"].to_pylist() == [2, None]
    assert measured["signal.pii.total"].to_pylist() == [2, None]


def test_only_the_kinds_that_are_asked_for_are_counted() -> None:
    counts = pii(pa.array(["a@b.org at 10.1.2.3"]), kinds=["ip"])
    assert {key: values.tolist() for key, values in counts.items()} == {"total": [1], "ip": [1]}
    assert set(pii(pa.array(["x"]))) == {"total", *KINDS}


@pytest.mark.skipif(not GOLD.is_file(), reason="TUNESMITH_DATA names no folder with pii/synth_dataset_v2.json")
def test_on_labelled_sentences_next_to_all_are_counted_and_next_to_nothing_else() -> None:
    rows = json.loads(GOLD.read_text("utf-8"))
    counts = pii(pa.array([row["full_text"] for row in rows]))
    wanted, shared, found = Counter[str](), Counter[str](), Counter[str]()
    for number, row in enumerate(rows):
        gold = Counter(NAMES[span["entity_type"]] for span in row["spans"] if span["entity_type"] in NAMES)
        wanted += gold
        for kind in NAMES.values():
            found[kind] += int(counts[kind][number])
            shared[kind] += min(gold[kind], int(counts[kind][number]))
    for kind in NAMES.values():
        assert shared[kind] / wanted[kind] >= (0.90 if kind == "phone" else 0.98)
        assert shared[kind] / found[kind] >= (0.85 if kind == "phone" else 0.95)
