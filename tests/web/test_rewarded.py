"""What learning from a reward came to, on the page: numbers, refusals, and answers that are only text."""

from __future__ import annotations

from tunesmith.web.report import report_html
from tunesmith.web.sections.rewarded import rewarded

FACTS = {
    "method": "rloo",
    "kept": 0,
    "prompts": 64,
    "start": {"reward": 0.25, "kl": 0.0, "words": 7.0},
    "end": {"reward": 0.25, "kl": 0.0, "words": 7.0},
    "refused": [{"step": 12, "reward": 0.9, "why": "meaning fell from 0.260 to 0.110"}],
    "samples": [
        {
            "id": f"r{number}",
            "prompt": "load(path)",
            "expected": "Load it.",
            "before": "loads",
            "before_reward": 0.0,
            "after": "<script>alert(1)</script>",
            "after_reward": 1.0,
        }
        for number in range(6)
    ],
}


def test_numbers_refusals_and_answers_are_shown_and_no_answer_becomes_markup() -> None:
    page = report_html({"run": "r", "rewarded": {"tuned": FACTS}})
    assert "Learning from a reward" in page
    assert "meaning fell from 0.260 to 0.110" in page
    assert "kept: the start" in page
    assert "2 more answers" in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_run_without_a_reward_has_no_such_section() -> None:
    assert rewarded({"rewarded": {}}) is None
