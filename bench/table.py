"""Rows of numbers as one table for people, and as JSON for results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from checks.rows import Row
from rich.console import Console
from rich.table import Table

WIDTH = 150  # where the output is no terminal
PASSED = {True: "pass", False: "FAIL", None: ""}


def show(parts: Mapping[str, Sequence[Row]]) -> None:
    """Print the rows of all parts, each with its n, its interval and whether it meets its bar."""
    table = Table("what", "value", "from", "to", "n", "bar", "", "note", title_justify="left")
    for column in table.columns[1:5]:
        column.justify = "right"
    for name, rows in parts.items():
        table.add_section()
        table.add_row(f"[bold]{name}[/bold]")
        for row in rows:
            numbers = [_written(number) for number in (row.value, row.low, row.high)]
            table.add_row(row.what, *numbers, f"{row.n:,}", row.bar, PASSED[row.passed], row.note)
    console = Console()
    Console(width=max(console.width, WIDTH)).print(table)


def as_json(parts: Mapping[str, Sequence[Row]]) -> dict[str, list[dict[str, object]]]:
    """The rows as plain values, each with its verdict."""
    return {name: [asdict(row) | {"passed": row.passed} for row in rows] for name, rows in parts.items()}


def _written(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
