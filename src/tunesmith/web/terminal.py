"""The report in the terminal: short, plain and the same story as the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.core.numbers import Number
from tunesmith.web import order
from tunesmith.web.html import visible
from tunesmith.web.read import amounts, count, mapping, mappings, named, number, score_key, sequence
from tunesmith.web.sections.funnel import made_by, steps_of
from tunesmith.web.words import (
    STATES,
    VERDICTS,
    balance,
    decimal,
    digits,
    duration,
    grouped,
    missing,
    rule,
    share,
)

ROWS = 12  # steps of a funnel before the rest is left to the page
SENTENCES = 2  # of what a pass found; the page has all
BAR = 24
NAME, COLUMN = 26, 21  # signs that an arm's name may take at most, and one metric
WORTH_TELLING_S = 1.0  # of work, before its slowest part is named
STYLES = {"passed": "green", "failed": "red", "undecidable": "yellow", "waiting": "yellow"}
SIGNS = {"passed": "✓", "failed": "✗"}
Fields = Mapping[str, object]
Scores = Mapping[tuple[str, str, str], Number]  # by arm, metric and slice


def print_report(report: Fields, console: Console, *, path: str | Path | None = None) -> None:
    """Print the story, the funnel, the numbers and the gate's verdicts, and where the whole report lies."""
    text, kind = STATES.get(str(report.get("state")), (str(report.get("state") or ""), "waiting"))
    console.print(Text.assemble("\n", _text(report.get("run"), "bold"), "  ", _text(text, STYLES[kind])))
    for sentence in sequence(report.get("story")):
        console.print(_text(sentence))
    for warning in sequence(report.get("warnings")):
        console.print(Text.assemble(("Warning: ", "yellow"), _text(warning)))
    for name, fields in order.lists(report).items():
        _print_funnel(name, fields, console)
    _print_numbers(report, console)
    for name, fields in order.candidates(report):
        _print_verdict(name, fields, console)
    _print_end(report, console, path)


def _text(value: object, style: str = "") -> Text:
    """Text from data: control signs are made visible, and nothing in it is taken for markup."""
    return Text(visible(value), style=style)


def _print_funnel(name: str, fields: Fields, console: Console) -> None:
    whole = count(fields.get("in")) + count(fields.get("made"))
    steps = steps_of(fields)
    table = _table()
    table.add_column(max_width=40, overflow="fold")
    table.add_column(no_wrap=True, width=BAR)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    for cells in _funnel_rows(fields, steps, whole, console):
        table.add_row(*cells)
    lost = missing(fields)
    note = Text(f"  {grouped(lost)} not accounted for", "red") if lost else Text("")
    console.print(Text.assemble("\n", _text(name, "bold"), f"  {balance(fields)}", note))
    console.print(Padding(table, (0, 0, 0, 2)))
    if len(steps) > ROWS:
        console.print(f"  … and {len(steps) - ROWS} more steps, in the report", style="dim")
    for each in mappings(fields.get("passes")):
        for sentence in sequence(mapping(each.get("found")).get("sentences"))[:SENTENCES]:
            console.print(
                Padding(Text.assemble(_text(each.get("pass"), "cyan"), ": ", _text(sentence, "dim")), (0, 0, 0, 2))
            )


def _funnel_rows(fields: Fields, steps: Sequence[Fields], whole: int, console: Console) -> Iterator[tuple[Text, ...]]:
    for step in steps[:ROWS]:
        gone, left, made = count(step.get("dropped")), count(step.get("kept")), made_by(step)
        name = Text.assemble(_text(step.get("step")), " ", _text(step.get("why") or "", "dim"))
        lost = Text(f"−{grouped(gone)}", "yellow") if gone else Text(f"+{grouped(made)}" if made else "0", "dim")
        part = share(gone, count(step.get("in")) + made) if gone else ""
        yield name, _bar(left, gone, whole, console), lost, Text(part, "dim"), Text(grouped(left))
    parts = ", ".join(f"{name} {grouped(size)}" for name, size in order.parts(fields).items())
    kept = count(fields.get("kept"))
    name = Text.assemble(("kept", "bold"), " ", _text(parts, "dim"))
    yield name, _bar(kept, 0, whole, console), Text(""), Text(share(kept, whole), "dim"), Text(grouped(kept), "bold")


def _bar(left: int, gone: int, whole: int, console: Console) -> Text:
    full, light = ("#", "-") if console.options.ascii_only else ("█", "░")
    solid = round(BAR * left / whole) if whole else 0
    both = round(BAR * (left + gone) / whole) if whole else 0
    return Text.assemble((full * solid, "cyan"), (light * (both - solid), "yellow"))


def _print_numbers(report: Fields, console: Console) -> None:
    """All arms on all metrics, then the slices."""
    measured = {score_key(str(key)): number(fields) for key, fields in named(report.get("numbers"))}
    ranked, slices = order.arms(report), sorted({part for _, _, part in measured if part})
    _print_scores(
        report, {key: value for key, value in measured.items() if not key[2]}, [(arm, "") for arm in ranked], console
    )
    parts = [(arm, part) for arm in ranked for part in slices]
    _print_scores(report, {key: value for key, value in measured.items() if key[2]}, parts, console)


def _print_scores(report: Fields, measured: Scores, arms: Sequence[tuple[str, str]], console: Console) -> None:
    """In as many tables as the width asks for."""
    metrics = [metric for metric in order.metrics(report) if any(key[1] == metric for key in measured)]
    longest = max((cell_len(_name(arm, part)) for arm, part in arms), default=0)
    at_once = max(1, (console.width - min(NAME, longest)) // COLUMN)
    for start in range(0, len(metrics), at_once):
        console.print()
        console.print(_scores(report, measured, arms, metrics[start : start + at_once]))


def _scores(report: Fields, measured: Scores, arms: Sequence[tuple[str, str]], metrics: Sequence[str]) -> Table:
    table = _table(show_header=True)
    table.add_column("", max_width=NAME, overflow="fold")
    columns = {metric: {key: value for key, value in measured.items() if key[1] == metric} for metric in metrics}
    for metric, column in columns.items():
        table.add_column(Text.assemble(_text(metric, "bold"), (_sizes(column), "dim")))
    for arm, part in arms:
        found = [measured.get((arm, metric, part)) for metric in metrics]
        if any(found):
            table.add_row(_arm(report, arm, part, found), *map(_score, found, columns.values()))
    return table


def _sizes(column: Scores) -> str:
    """The n of a column on a line of its own; slices name theirs beside the arm."""
    sizes = sorted({value.n for (_, _, part), value in column.items() if not part})
    return f"\nn {' to '.join(dict.fromkeys(map(grouped, (sizes[0], sizes[-1]))))}" if sizes else ""


def _arm(report: Fields, arm: str, part: str, found: Sequence[Number | None]) -> Text:
    state = str(mapping(mapping(report.get("gate")).get(arm)).get("state", ""))
    sizes = sorted({value.n for value in found if value is not None}) if part else []
    note = f" n {grouped(sizes[0])}" if sizes else ""
    return Text.assemble(_text(_name(arm, part), STYLES.get(state, "")), (note, "dim"))


def _name(arm: str, part: str) -> str:
    return f"{arm}@{part}" if part else arm


def _score(value: Number | None, column: Scores) -> Text:
    """The value with its interval, short enough for one line: 0.980 [.971 .989]."""
    if value is None:
        return Text("–", "dim")
    places = digits(edge for each in column.values() for edge in (each.value, each.low, each.high))
    edges = " ".join(decimal(edge, places) for edge in (value.low, value.high) if edge is not None)
    limits = re.sub(r"(?<!\d)0\.", ".", f" [{edges}]") if edges else " no interval"
    return Text.assemble(decimal(value.value, places), (limits, "dim"))


def _print_verdict(name: str, fields: Fields, console: Console) -> None:
    """The verdict, why it is against the candidate where it is, and the checks that passed in one line."""
    state = str(fields.get("state", "waiting"))
    word = VERDICTS.get(state, state).upper()
    checks = mappings(fields.get("checks"))
    console.print(Text.assemble("\n", (f" {word} ", f"bold reverse {STYLES.get(state, '')}"), " ", _text(name, "bold")))
    lines = Table.grid(padding=(0, 1, 0, 0))
    for check in checks:
        each = str(check.get("state"))
        if each != "passed":
            why = check.get("why") or f"{check.get('metric')} {rule(check)}"
            lines.add_row(Text(SIGNS.get(each, "?"), STYLES.get(each, "")), _text(why))
    passed = [f"{check.get('metric')} {rule(check)}" for check in checks if check.get("state") == "passed"]
    if passed:
        lines.add_row(Text(SIGNS["passed"], "green"), _text(" · ".join(passed), "dim"))
    console.print(Padding(lines, (0, 0, 0, 2)))


def _print_end(report: Fields, console: Console, path: str | Path | None) -> None:
    served, seconds = mapping(report.get("served")), amounts(report.get("seconds"))
    console.print()
    if served:
        console.print(Text.assemble(("asked    ", "dim"), _text(served.get("question"))))
        console.print(Text.assemble(("answered ", "dim"), _text(served.get("answer"), "bold")))
    if seconds:
        console.print(Text.assemble(("time     ", "dim"), duration(sum(seconds.values()))))
    for name, operators in ((name, amounts(fields.get("operators"))) for name, fields in order.lists(report).items()):
        if sum(operators.values()) >= WORTH_TELLING_S:
            slowest, most = order.by_count(operators)[0]
            told = f"{slowest} took {share(most, sum(operators.values()))} of the work on {name}"
            console.print(Text.assemble(("slowest  ", "dim"), _text(told)))
    if path is not None:
        console.print(Text.assemble(("report   ", "dim"), _text(path)), soft_wrap=True)


def _table(*, show_header: bool = False) -> Table:
    return Table(box=None, show_header=show_header, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
