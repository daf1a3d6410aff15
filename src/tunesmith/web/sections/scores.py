"""All numbers: every arm beside every other, also those that beat ours, each with n and its interval drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.core.numbers import Number
from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, breakable, join, scrolling, tag
from tunesmith.web.page import Section, pill
from tunesmith.web.read import amount, arms_first, mapping, mappings, named, number, score_key
from tunesmith.web.sections.comparisons import comparisons
from tunesmith.web.words import VERDICTS, decimal, digits, grouped, interval

Fields = Mapping[str, object]
Scores = Mapping[tuple[str, str, str], Number]  # by arm, metric and slice
CAPTION = "Every arm on every metric"


@dataclass(frozen=True)
class Column:
    """What the cells of one metric share, so that they can be compared by eye."""

    metric: str
    n: int | None  # None where the arms were measured on different numbers of rows
    places: int
    scale: Scale
    bounds: Sequence[float]


def scores(report: Fields) -> Section | None:
    """The table of all arms and metrics, and the paired comparisons."""
    measured = {score_key(str(key)): number(fields) for key, fields in named(report.get("numbers"))}
    if not measured:
        return None
    columns = [_column(report, metric, measured) for metric in dict.fromkeys(metric for _, metric, _ in measured)]
    lead = "All rows are printed, also those that beat ours. Whiskers are 95 % intervals, dashed lines are bounds."
    return Section("numbers", "Numbers", join([_table(report, measured, columns), comparisons(report)]), lead)


def _column(report: Fields, metric: str, measured: Scores) -> Column:
    found = {key: value for key, value in measured.items() if key[1] == metric}
    edges = [edge for value in found.values() for edge in (value.value, value.low, value.high)]
    sizes = {value.n for (_, _, part), value in found.items() if not part}
    bounds = gate_bounds(report, metric)
    n = sizes.pop() if len(sizes) == 1 else None
    return Column(metric, n, digits(edges), scale_of([*edges, *bounds], pad=0.06), bounds)


def gate_bounds(report: Fields, metric: str) -> list[float]:
    """The limits that the gate sets on the value of a metric itself, sorted."""
    checks = (check for _, fields in named(report.get("gate")) for check in mappings(fields.get("checks")))
    mine = (check for check in checks if check.get("metric") == metric and check.get("rule") in ("min", "max"))
    return sorted({bound for bound in (amount(check.get("bound")) for check in mine) if bound is not None})


def _table(report: Fields, measured: Scores, columns: Sequence[Column]) -> Html:
    slices = sorted({part for _, _, part in measured})  # the whole, "", comes first
    rows = [(arm, part) for arm in arms_first(report) for part in slices]
    lines = [_row(report, arm, part, measured, columns) for arm, part in rows if _has(measured, arm, part)]
    head = tag("tr", tag("th", "arm", scope="col"), *map(_head, columns))
    caption = tag("caption", CAPTION, class_="hidden")
    whole = tag("table", caption, tag("thead", head), tag("tbody", *lines), class_="scores")
    return scrolling(CAPTION, whole, class_="card")


def _has(measured: Scores, arm: str, part: str) -> bool:
    return any((arm, part) == (key[0], key[2]) for key in measured)


def _head(column: Column) -> Html:
    size = "" if column.n is None else f"n {grouped(column.n)}"
    return tag("th", breakable(column.metric), tag("small", size), scope="col")


def _row(report: Fields, arm: str, part: str, measured: Scores, columns: Sequence[Column]) -> Html:
    cells = (_cell(measured.get((arm, column.metric, part)), column) for column in columns)
    heading = tag("th", *_name(report, arm, part), scope="row")
    return tag("tr", heading, *cells, class_="slice" if part else None)


def _name(report: Fields, arm: str, part: str) -> list[Html]:
    if part:
        return [tag("span", breakable(arm), " "), tag("small", "@", breakable(part))]
    state = str(mapping(mapping(report.get("gate")).get(arm)).get("state", ""))
    role = tag("small", str(mapping(report.get("arms")).get(arm, "")))
    return [tag("span", breakable(arm), " "), pill(VERDICTS[state].lower(), state) if state in VERDICTS else role]


def _cell(value: Number | None, column: Column) -> Html:
    if value is None:
        return tag("td", tag("small", "–"))
    size = "" if value.n == column.n else tag("small", f"n {grouped(value.n)}")
    drawing = whisker(value, column.scale, bounds=column.bounds)
    limits = tag("small", interval(value, column.places))
    return tag("td", tag("b", decimal(value.value, column.places)), drawing, limits, size)
