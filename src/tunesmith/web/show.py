"""A run before a person's eyes: progress while it works, then the report in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from tunesmith.core.artifact import replacing
from tunesmith.recipe import Recipe
from tunesmith.run import Outcome, disk_errors, run_recipe
from tunesmith.run.ranks import Ranks
from tunesmith.run.reports import read_report
from tunesmith.web.progress import speaking
from tunesmith.web.report import report_html
from tunesmith.web.terminal import print_report


def run_and_show(
    recipe: Recipe,
    workspace: Path,
    *,
    workers: int | None = None,
    mark: bool = False,
    remeasure: bool = False,
    ranks: Ranks | None = None,
) -> Outcome:
    """Run a recipe with progress, write report.html, and print the report."""
    console = Console()
    with speaking(console) as speaker:
        outcome = run_recipe(recipe, workspace, speaker, workers=workers, mark=mark, remeasure=remeasure, ranks=ranks)
    with disk_errors(workspace):
        write_page(outcome.folder, outcome.report)
    print_report(outcome.report, console)
    console.print(f"Report: {outcome.folder / 'report.html'}", highlight=False, soft_wrap=True)
    return outcome


def write_page(folder: Path, report: Mapping[str, object]) -> None:
    """Write the HTML page of a report."""
    with replacing(folder / "report.html") as temporary:
        temporary.write_text(report_html(report), "utf-8")


def show_again(workspace: Path, run: str | None) -> None:
    """Print the report of a finished run."""
    console = Console()
    report = read_report(workspace, run)
    print_report(report, console)
    page = workspace / "runs" / str(report["run"]) / "report.html"
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
