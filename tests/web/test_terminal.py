"""What a person sees in the terminal when a run ends."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tunesmith.web.terminal import print_report

Report = dict[str, Any]


def printed(report: Report, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors="replace", write_through=True) as file:
        print_report(report, Console(file=file, width=width), path="workspace/runs/quickstart/report.html")
        return raw.getvalue().decode(encoding)


def test_it_tells_the_story_the_funnel_the_numbers_the_verdicts_and_the_path(report: Report) -> None:
    text = printed(report, width=120)
    order = [
        text.index(part) for part in ("Read 50,211", "functions  50,211 in", "name_split  ", " REFUSED ", "report   ")
    ]
    assert order == sorted(order)
    assert "target_dedup same normalised target       ██████████░░░░            −8,192  27.3 %  21,867" in text
    assert "name_split   0.312 [.303 .321]    0.241 [.230 .252]" in text
    assert text.rstrip().endswith("workspace/runs/quickstart/report.html")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    assert max(map(len, printed(report, width=width).splitlines())) <= width


def test_a_refusal_gives_its_reasons(report: Report) -> None:
    refused = printed(report).partition(" REFUSED  overtrained")[2]
    assert "✗ style is 0.945; it has to be at least 0.95." in refused
    assert "✓ style better than before · words at most 10" in refused


def test_slices_are_printed_with_their_own_n(report: Report) -> None:
    assert "tuned@stdlib only n 212  0.971 [.950 .991]" in printed(report)


def test_markup_and_escape_codes_in_the_data_are_only_text(report: Report) -> None:
    report["story"] = ["[bold]not bold[/bold] \x1b[31mnot red"]
    assert "[bold]not bold[/bold] �[31mnot red" in printed(report)


def test_a_terminal_that_knows_only_ascii_gets_bars_it_can_show(report: Report) -> None:
    assert "#####################---" in printed(report, encoding="ascii")


def test_lost_records_are_pointed_out(report: Report) -> None:
    report["lists"]["pairs"]["kept"] -= 3
    assert "3 not accounted for" in " ".join(printed(report).split())


def test_a_run_that_only_waits_prints_its_state() -> None:
    bare: Report = {"run": "r", "state": "waiting", "records": {}, "numbers": {}, "gate": {}, "seconds": {}}
    assert "r  Waiting for people" in printed(bare)
