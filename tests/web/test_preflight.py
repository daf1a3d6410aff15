"""The pre-flight on the page: rules with their states, lengths as a picture, and rows with what is learnt marked."""

from __future__ import annotations

from typing import Any

from tunesmith.web.report import report_html
from tunesmith.web.sections.preflight import preflight


def rule(name: str, state: str, **more: Any) -> dict[str, Any]:
    told = {
        "title": f"Title of {name}",
        "why": f"found <{name}>",
        "reason": "It matters.",
        "bound": "max 0",
        "value": 0.25,
    }
    return {"rule": name, "state": state, **told, **more}


FOUND: dict[str, Any] = {
    "rows": 1200,
    "limit": 60,
    "longest": 90,
    "quantiles": {"p50": 20, "p95": 55},
    "histogram": {"edges": [0, 30, 61, 91], "counts": [900, 290, 10]},
    "too_long": 10,
    "unanswered": 2,
    "tokens": 24000,
    "trained": 6000,
    "rules": [
        rule("quiet", "passed"),
        rule("loud", "refused"),
        rule("forgiven", "waived"),
        rule("far", "not applicable"),
    ],
    "left_out": [{"id": "a" * 32, "tokens": 90, "text": "a <long> one"}],
    "examples": [{"id": "b" * 32, "spans": [["<|im_start|>user\nHi", False], ["Hello & bye<|im_end|>", True]]}] * 3,
}


def test_what_is_learnt_is_marked_and_nothing_of_the_rows_becomes_markup() -> None:
    section = preflight({"preflight": {"tuned": FOUND}})
    assert section is not None
    body = str(section.body)
    assert "<mark>Hello &amp; bye&lt;|im_end|&gt;</mark>" in body
    assert "<mark>&lt;|im_start|&gt;" not in body
    assert body.count("Hello &amp; bye") == 3
    assert ">1 more<" in body
    assert "a &lt;long&gt; one" in body


def test_rules_that_do_not_hold_come_first_with_their_number_and_bound() -> None:
    section = preflight({"preflight": {"tuned": FOUND}})
    assert section is not None
    body = str(section.body)
    assert "1 refused, 1 waived, 1 passed, 1 not applicable" in body
    places = [body.index(f"Title of {name}") for name in ("loud", "forgiven", "quiet", "far")]
    assert places == sorted(places)
    assert "0.25, bound max 0" in body
    assert "found &lt;loud&gt;" in body


def test_lengths_are_drawn_with_the_limit_and_rows_left_out_are_counted() -> None:
    section = preflight({"preflight": {"tuned": FOUND}})
    assert section is not None
    body = str(section.body)
    assert "1,200 rows · 12 left out · 6,000 of 24,000 tokens are learnt (25.0 %)" in body
    assert ">max 60</text>" in body
    assert body.count('class="dropped"') == 1
    assert "p50 20, p95 55, longest 90; a row may have 60" in body
    assert "1 of 10 rows that are too long" in body


def test_a_report_without_a_pre_flight_or_with_half_of_one_still_has_a_page() -> None:
    assert preflight({}) is None
    section = preflight({"preflight": {"tuned": {"rows": 3}}})
    assert section is not None
    assert "3 rows" in str(section.body)
    assert 'id="preflight"' in report_html({"run": "x", "preflight": {"tuned": FOUND}})
