"""The order things are shown in does not depend on the order of the keys in report.json."""

from __future__ import annotations

import json
from typing import Any

from tunesmith.web.order import arms, candidates, lists, metrics, parts
from tunesmith.web.report import report_html

Report = dict[str, Any]


def test_the_page_is_the_same_whether_the_report_comes_from_memory_or_from_its_file(report: Report) -> None:
    backwards = json.loads(json.dumps(report, sort_keys=True), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert report_html(backwards) == report_html(report)


def test_candidates_that_passed_come_first_and_lead_the_arms(report: Report) -> None:
    assert [name for name, _ in candidates(report)] == ["tuned", "overtrained"]
    assert arms(report)[:4] == ["tuned", "overtrained", "before", "sft_chosen"]


def test_metrics_follow_the_recipe(report: Report) -> None:
    assert metrics(report) == ["style", "rouge_l_house", "rouge_l", "words", "distinct"]


def test_a_list_comes_after_the_one_it_is_fed_from() -> None:
    given = {"a": {"in": 1, "fed_from": "b"}, "b": {"in": 1, "fed_from": "c"}, "c": {"in": 1}, "empty": {"in": 0}}
    assert list(lists({"lists": given})) == ["c", "b", "a"]


def test_parts_are_told_as_people_use_them() -> None:
    assert list(parts({"parts": {"test": 1, "extra": 1, "train": 1, "validation": 1}})) == [
        "train", "validation", "test", "extra",
    ]  # fmt: skip
