"""All numbers: every arm beside every other, also those that beat ours, each with n and its interval drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.core.numbers import Number
from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, breakable, join, scrolling, tag
from tunesmith.web.order import arms, metrics
from tunesmith.web.page import Section, pill
from tunesmith.web.read import amount, mapping, mappings, named, number, score_key
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
    by_group: Scores  # the same numbers with their intervals by group, where the recipe names groups
    bounds: Sequence[float]


def scores(report: Fields) -> Section | None:
    """The table of all arms and metrics, and the paired comparisons."""
    measured = {score_key(str(key)): number(fields) for key, fields in named(report.get("numbers"))}
    if not measured:
        return None
    by_group = {score_key(str(key)): number(fields) for key, fields in named(report.get("numbers_by_group"))}
    columns = [_column(report, metric, measured, by_group) for metric in metrics(report)]
    lead = "Every row, also those that beat ours. Whiskers are 95 % intervals, thin ones by group; dashes are bounds."
    return Section("numbers", "Numbers", join([_table(report, measured, columns), comparisons(report)]), lead)


def _column(report: Fields, metric: str, measured: Scores, by_group: Scores) -> Column:
    found = {key: value for key, value in measured.items() if key[1] == metric}
    groups = {key: value for key, value in by_group.items() if key[1] == metric}
    edges = [edge for value in [*found.values(), *groups.values()] for edge in (value.value, value.low, value.high)]
    sizes = {value.n for (_, _, part), value in found.items() if not part}
    bounds = gate_bounds(report, metric)
    n = sizes.pop() if len(sizes) == 1 else None
    return Column(metric, n, digits(edges), scale_of([*edges, *bounds], pad=0.06), groups, bounds)


def gate_bounds(report: Fields, metric: str) -> list[float]:
    """The limits that the gate sets on the value of a metric itself, sorted."""
    checks = (check for _, fields in named(report.get("gate")) for check in mappings(fields.get("checks")))
    mine = (check for check in checks if check.get("metric") == metric and check.get("rule") in ("min", "max"))
    return sorted({bound for bound in (amount(check.get("bound")) for check in mine) if bound is not None})


def _table(report: Fields, measured: Scores, columns: Sequence[Column]) -> Html:
    slices = sorted({part for _, _, part in measured})  # the whole, "", comes first
    rows = [(arm, part) for arm in arms(report) for part in slices]
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
    cells = (_cell((arm, column.metric, part), measured, column) for column in columns)
    heading = tag("th", *_name(report, arm, part), scope="row")
    return tag("tr", heading, *cells, class_="slice" if part else None)


def _name(report: Fields, arm: str, part: str) -> list[Html]:
    if part:
        return [tag("span", breakable(arm), " "), tag("small", "@", breakable(part))]
    state = str(mapping(mapping(report.get("gate")).get(arm)).get("state", ""))
    role = tag("small", str(mapping(report.get("arms")).get(arm, "")))
    return [tag("span", breakable(arm), " "), pill(VERDICTS[state].lower(), state) if state in VERDICTS else role]


def _cell(key: tuple[str, str, str], measured: Scores, column: Column) -> Html:
    value, by_group = measured.get(key), column.by_group.get(key)
    if value is None:
        return tag("td", tag("small", "–"))
    size = "" if value.n == column.n else tag("small", f"n {grouped(value.n)}")
    drawing = whisker(value, column.scale, bounds=column.bounds, thin=by_group)
    limits = tag("small", interval(value, column.places))
    wider = Html("")
    if by_group is not None and by_group.low is not None:
        wider = tag("small", f"{interval(by_group, column.places)} by group")
    return tag("td", tag("b", decimal(value.value, column.places)), drawing, limits, wider, size)
