"""A checkpoint that learnt a domain is told of in the report, and what its terms give away is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tunesmith.core.artifact import Manifest, finish
from tunesmith.run.report import _domain, _training


def test_terms_are_redacted_in_the_report_and_stand_in_it_once(tmp_path: Path) -> None:
    terms = [{"word": "calldata"}, {"word": "4111111111111111"}]
    found = {"tokens": 5, "forgetting": {"domain": {}}, "terminology": {"terms": terms, "found": 2}}
    manifest = Manifest("checkpoint", "reader", "0" * 64, "domain", 1, {}, facts={"trainer": "domain", "found": found})
    finish(tmp_path, manifest)
    told = _domain(tmp_path)
    words = cast("Any", told["terminology"])["terms"]
    assert [term["word"] for term in words] == ["calldata", "<CREDIT_CARD>"]
    assert _training(tmp_path)["found"] == {"tokens": 5}
