"""How a run speaks while it works: the numbers of a training, on a terminal and in a log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from tunesmith.web import progress
from tunesmith.web.progress import Pace, speaking

NUMBERS = {"accuracy": 0.71, "loss": 0.7392, "margin": 0.0086, "tokens_a_second": 12_345.6, "mfu": 0.3142}
STEP = "train overtrained"


def bars(width: int, numbers: dict[str, float]) -> list[str]:
    """The lines that a terminal of this width shows, without its escape codes."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None, legacy_windows=False)
    with speaking(console) as show:
        for done in (1, 8_001):
            show.progress(STEP, done, 12_000, numbers)
    return [line for line in re.split(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", file.getvalue()) if STEP in line]


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (70, ""),
        (90, "loss 0.739"),
        (100, "loss 0.739, 12,300 tokens/s"),
        (110, "loss 0.739, 12,300 tokens/s, MFU 31 %"),
        (140, "loss 0.739, 12,300 tokens/s, MFU 31 %, accuracy 0.71, margin 0.0086"),
    ],
)
def test_a_terminal_shows_as_many_numbers_as_fit_beside_the_times(width: int, told: str) -> None:
    line = bars(width, NUMBERS)[-1]
    assert len(line) <= width
    assert re.search(rf"8001/12000 0:00:\d\d [\d:-]+ {re.escape(told)} *$", line), line


def lines(monkeypatch: pytest.MonkeyPatch, numbers: dict[str, float]) -> list[str]:
    """The lines of a log of 12,000 steps that take a second each."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with speaking(Console(file=file, width=100)) as show:
        for done in range(1, 12_001):
            now[0] += 1.0
            show.progress(STEP, done, 12_000, numbers)
    return file.getvalue().splitlines()


def test_a_log_has_the_numbers_and_the_time_left_within_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lines(monkeypatch, NUMBERS)
    assert max(map(len, told)) <= 100
    assert told[0] == ("  train overtrained: 11 of 12,000 loss 0.739, 12,300 tokens/s, MFU 31 %, about 3.3 h left")
    assert told[-2].endswith("MFU 31 %, about 9 s left")
    assert told[-1] == "  train overtrained: 12,000 of 12,000 loss 0.739, 12,300 tokens/s, MFU 31 %, accuracy 0.71"


def test_a_share_below_a_tenth_keeps_a_decimal_and_large_speeds_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    last = lines(monkeypatch, {"tokens_a_second": 1_234_567.0, "mfu": 0.0312})[-1]
    assert last.endswith("1,230,000 tokens/s, MFU 3.1 %")


def test_a_training_that_goes_on_is_paced_by_what_it_did_since(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    pace = Pace()
    pace.with_rate(STEP, 500, {})
    now[0] = 110.0
    assert pace.left_s(STEP, 510, 600) == pytest.approx(90)
    assert pace.left_s(STEP, 500, 600) == 0
