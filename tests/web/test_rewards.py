"""The section of reward models on the page."""

from __future__ import annotations

import numpy as np

from tunesmith.train.judged import Found, Judged, found_of
from tunesmith.web.sections.rewards import rewards

NONE = {"equal": 0, "contradictory": 0, "cyclic": 0}


def page_of(found: Found) -> str:
    section = rewards({"training": {"judge": {"found": {"reward": found}}, "writer": {"found": {}}}})
    assert section is not None
    return str(section.body)


def test_accuracy_reliability_and_length_are_shown() -> None:
    margins, lengths = np.linspace(-1, 3, 80), np.array([[20.0, 10.0], [10.0, 20.0]] * 40)
    found, _ = found_of(Judged(np.stack([margins, 0 * margins], axis=1), lengths, list(range(80))), NONE)
    shown = page_of(found)
    assert "80 held-out pairs" in shown
    assert "of the rule: the longer answer wins" in shown
    assert "0.750" in shown
    assert shown.count("<circle") == 4 + 5  # no pair is of like length; five bins of confidence
    assert "writer" not in shown


def test_without_held_out_pairs_only_that_is_said() -> None:
    found, _ = found_of(Judged(np.zeros((0, 2)), np.zeros((0, 2)), []), NONE)
    assert "not measured: there are no held-out pairs" in page_of(found)


def test_without_a_reward_model_there_is_no_section() -> None:
    assert rewards({"training": {"writer": {"found": {}}, "untold": {}}}) is None
