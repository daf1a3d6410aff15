"""The checklists are computed from evidence, and what is open can only be waived in writing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.evaluate.checklist import check_waive, checklist
from tunesmith.evaluate.evidence import Evidence

FULL = Evidence(
    sources={"tickets": {"jsonl": 900}},
    steps={
        "tickets": {"exact_dedup": 12, "near_dedup": 40, "redact_pii": 7, "contamination": 0, "mix": 0},
        "pairs": {},
    },
    available=frozenset({"exact_dedup", "near_dedup", "redact_pii", "contamination"}),
    bounds=4,
    licenses={"MIT": 500, "unknown": 400},
    domains={"support": 700, "sales": 141},
    parts={"train": 700, "validation": 70, "test": 71},
    datasets={"tickets": "ab12"},
    conversations=700,
    trained_rows=700,
    reviewed=200,
    scratch=False,
    epochs=2.0,
    validation_losses=(1.2, 1.0, 1.01),
    metrics=("rouge_l",),
    test_rows=71,
    compared_with_start=True,
    gates={"voice": "passed", "overtrained": "failed"},
    served="voice",
    earlier_data=1,
)


def found(evidence: Evidence, check: str, waived: dict[str, str] | None = None) -> tuple[str, str]:
    return next((item.state, item.why) for item in checklist(evidence, waived or {}) if item.check == check)


def test_a_run_that_did_everything_has_no_open_item() -> None:
    assert {item.check: item.state for item in checklist(FULL, {}) if item.state != "done"} == {}


def test_a_run_that_shows_nothing_has_nothing_done_but_what_needs_nothing() -> None:
    items = checklist(Evidence(), {})
    assert [item.check for item in items if item.state == "done"] == ["mix"]
    assert [item.list for item in items] == ["data"] * 11 + ["fine-tuning"] * 10
    assert all(item.why for item in items)


@pytest.mark.parametrize(
    ("change", "check", "state", "why"),
    [
        ({"steps": {"tickets": {}}}, "exact_duplicates", "failed", "tickets has no step exact_dedup"),
        ({"licenses": {"unknown": 900}}, "sources", "done", "900 rows from jsonl; 0 with a known licence"),
        ({"bounds": 0}, "quality_filters", "failed", "0 bounds on signals"),
        ({"reviewed": 40}, "sample_reviewed", "failed", "people judged 40 records, of at least 100"),
        ({"reviewed": None}, "first_reviewed", "not yet measured", "the recipe has no review round"),
        ({"parts": {"train": 700, "test": 71}}, "split", "failed", "train 700, test 71; none for validation"),
        ({"conversations": 690}, "format", "failed", "690 of 700 rows are conversations or pairs"),
        ({"scratch": True}, "pretrained", "failed", "training started from random weights"),
        ({"epochs": 3.5}, "epochs", "failed", "3.5 epochs; with more than 3 a model learns rows by heart"),
        ({"validation_losses": (1.0, 1.3)}, "validation_loss", "failed",
         "validation loss ended at 1.300; its lowest was 1.000"),
        ({"served": "overtrained"}, "gated", "failed", "voice passed, overtrained failed; served: overtrained"),
        ({"served": None}, "gated", "done", "voice passed, overtrained failed; served: none"),
        ({"gates": {}}, "gated", "failed", "there is no gate; served: voice"),
    ],
)  # fmt: skip
def test_an_item_tells_its_state_with_the_evidence(change: dict[str, object], check: str, state: str, why: str) -> None:
    assert found(replace(FULL, **change), check) == (state, why)  # type: ignore[arg-type]  # the fields vary by case


def test_what_this_version_cannot_do_is_not_yet_measured_rather_than_failed() -> None:
    today = replace(FULL, steps={"tickets": {"exact_dedup": 3}}, available=frozenset({"exact_dedup"}))
    wanted = "this version has no step near_dedup or semantic_dedup"
    assert found(today, "near_duplicates") == ("not yet measured", wanted)


def test_a_list_that_reads_no_source_takes_over_what_its_parent_did() -> None:
    assert found(FULL, "exact_duplicates") == ("done", "tickets: 12 rows")


def test_an_open_item_can_be_waived_with_a_reason_and_a_done_one_needs_none() -> None:
    waived = {"pretrained": "a demo starts at random", "split": "never mind"}
    state, why = found(replace(FULL, scratch=True), "pretrained", waived)
    assert (state, why) == ("waived", "a demo starts at random (training started from random weights)")
    assert found(FULL, "split", waived)[0] == "done"


def test_mistakes_in_waivers_are_shown_together() -> None:
    waive = [{"check": "pretraind", "reason": "x"}, {"check": "pii"}, {"check": "pii", "reason": " "}, "pii"]
    problems = [mistake.problem for mistake in check_waive(waive)]
    assert problems == [
        "waive[0]: no check is called 'pretraind'.",
        "waive[1]: a waiver has a check and a reason.",
        "waive[2]: the reason is empty.",
        "waive[3]: a waiver has a check and a reason.",
    ]
    assert check_waive([{"check": "pii", "reason": "public texts"}]) == []
    assert "is not a list" in check_waive("pii")[0].problem
