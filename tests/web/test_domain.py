"""What a domain training gained and forgot, on the page: both tables, and words that are markup stay text."""

from __future__ import annotations

from typing import Any

from tunesmith.web.sections.domain import domain


def change(before: float, after: float, n: int = 40) -> dict[str, dict[str, Any]]:
    gap = after - before
    return {
        "before": {"value": before, "n": n, "low": before - 0.1, "high": before + 0.1},
        "after": {"value": after, "n": n, "low": after - 0.1, "high": after + 0.1},
        "difference": {"value": gap, "n": n, "low": gap - 0.05, "high": gap + 0.05},
    }


def told(words: list[str]) -> dict[str, Any]:
    both = {"nats": change(8.0, 3.5), "first": change(0.05, 0.4)}
    terms = [{"word": word, "z": 9.0, "count": 50, "general": 0, **both} for word in words]
    text = {"loss": change(5.25, 4.5), "bits_per_byte": change(2.0, 1.75)}
    general = {"loss": change(5.0, 5.5), "bits_per_byte": change(1.9, 2.1)}
    return {
        "forgetting": {"domain": text, "general": general},
        "terminology": {
            "terms": terms,
            "found": 120,
            "often": len(words),
            "least": 10,
            "all_terms": both,
            "other_words": {"nats": change(6.0, 5.9, 900), "first": change(0.2, 0.21, 900)},
        },
    }


def test_both_tables_are_shown_with_n_and_interval_and_a_loss_of_general_text_has_its_plus() -> None:
    section = domain({"domains": {"reader": told(["calldata"])}})
    assert section is not None
    body = str(section.body)
    assert "general text<small>bits a byte</small>" in body
    assert "<b>+0.200</b><small>[0.150, 0.250] n 40</small>" in body
    assert "<b>−4.500</b><small>[−4.550, −4.450] n 40</small>" in body
    assert "markedly more frequent here than in general text: 1 of 120 are held out 10 times or more" in body
    assert "<td>5 %</td><td>40 %</td>" in body
    assert "more terms" not in body


def test_words_that_are_markup_stay_text_and_long_tables_are_folded() -> None:
    section = domain({"domains": {"<b>reader</b>": told(["<script>alert(1)</script>", *"abcdefghij"])}})
    assert section is not None
    body = str(section.body)
    assert "<script>" not in body
    assert "&lt;b&gt;reader" in body
    assert "&lt;script&gt;" in body
    assert "<summary>3 more terms</summary>" in body


def test_a_run_that_learnt_no_domain_has_no_such_section() -> None:
    assert domain({"domains": {}}) is None
    assert domain({}) is None
    alone = domain({"domains": {"reader": {"forgetting": {"domain": told([])["forgetting"]["domain"]}}}})
    assert alone is not None
    assert "general text" not in str(alone.body)
