"""All numbers: every arm beside every other, also those that beat ours, each with n and its interval drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.numbers import Number
from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, join, tag
from tunesmith.web.page import Section, pill
from tunesmith.web.read import amount, arms_first, mapping, mappings, named, number, score_key
from tunesmith.web.words import VERDICTS, decimal, digits, grouped, interval

Fields = Mapping[str, object]
Row = tuple[str, str]  # arm and slice
Scores = Mapping[tuple[str, str, str], Number]  # by arm, metric and slice


def scores(report: Fields) -> Section | None:
    """The table of all arms and metrics, and the paired comparisons."""
    measured = {score_key(str(key)): number(fields) for key, fields in named(report.get("numbers"))}
    if not measured:
        return None
    metrics = list(dict.fromkeys(metric for _, metric, _ in measured))
    slices = sorted({part for _, _, part in measured})  # the whole, "", comes first
    rows = [
        (arm, part)
        for arm in arms_first(report)
        for part in slices
        if any((arm, name, part) in measured for name in metrics)
    ]
    body = join([_table(report, measured, metrics, rows), comparisons(report)])
    return Section(
        "numbers",
        "Numbers",
        body,
        "All rows are printed, also those that beat ours. Whiskers are 95 % intervals, dashed lines the gate's bounds.",
    )


def _table(report: Fields, measured: Scores, metrics: Sequence[str], rows: Sequence[Row]) -> Html:
    columns = {
        metric: [measured[arm, metric, part] for arm, part in rows if (arm, metric, part) in measured]
        for metric in metrics
    }
    head = tag("tr", tag("th", "arm", scope="col"), *(_column(metric, column) for metric, column in columns.items()))
    lines = (_row(report, row, measured, columns) for row in rows)
    whole = tag(
        "table",
        tag("caption", "Every arm on every metric", class_="hidden"),
        tag("thead", head),
        tag("tbody", *lines),
        class_="scores",
    )
    return tag("div", whole, class_="scroll card", role="region", tabindex=0, aria_label="Every arm on every metric")


def _column(metric: str, column: Sequence[Number]) -> Html:
    return tag("th", metric, tag("small", _same_n(column)), scope="col")


def _same_n(column: Sequence[Number]) -> str:
    sizes = {value.n for value in column}
    return f"n {grouped(sizes.pop())}" if len(sizes) == 1 else ""


def _row(report: Fields, row: Row, measured: Scores, columns: Mapping[str, Sequence[Number]]) -> Html:
    arm, part = row
    cells = (
        _cell(measured.get((arm, metric, part)), column, gate_bounds(report, metric))
        for metric, column in columns.items()
    )
    return tag("tr", tag("th", *_name(report, row), scope="row"), *cells, class_="slice" if part else None)


def _name(report: Fields, row: Row) -> list[Html]:
    arm, part = row
    if part:
        return [tag("span", f"{arm} "), tag("small", f"only {part}")]
    state = str(mapping(mapping(report.get("gate")).get(arm)).get("state", ""))
    chip = pill(VERDICTS[state].lower(), state) if state in VERDICTS else Html("")
    return [tag("span", arm, " "), chip or tag("small", str(mapping(report.get("arms")).get(arm, "")))]


def _cell(value: Number | None, column: Sequence[Number], bounds: Sequence[float]) -> Html:
    if value is None:
        return tag("td", tag("small", "–"))
    edges = [edge for each in column for edge in (each.value, each.low, each.high)]
    places, scale = digits(edges), _scale(edges, bounds)
    n = "" if _same_n(column) else f" n {grouped(value.n)}"
    return tag(
        "td",
        tag("b", decimal(value.value, places)),
        whisker(value, scale, bounds=bounds),
        tag("small", f"{interval(value, places)}{n}"),
    )


def _scale(edges: Sequence[float | None], bounds: Sequence[float]) -> Scale:
    return scale_of([*edges, *bounds], pad=0.06)


def gate_bounds(report: Fields, metric: str) -> list[float]:
    """The limits that the gate sets on the value of a metric itself, sorted."""
    checks = (check for _, fields in named(report.get("gate")) for check in mappings(fields.get("checks")))
    found = {
        amount(check.get("bound"))
        for check in checks
        if check.get("metric") == metric and check.get("rule") in ("min", "max", "above", "below")
    }
    return sorted(bound for bound in found if bound is not None)


def comparisons(report: Fields) -> Html:
    """The paired differences between candidates and what they are held against."""
    given = mappings(report.get("comparisons"))
    if not given:
        return Html("")
    differences: dict[str, list[float | None]] = {}
    for each in given:
        found = number(each.get("difference"))
        differences.setdefault(str(each.get("metric")), [0.0]).extend((found.value, found.low, found.high))
    head = ("metric", "difference", "worse  ·  better or longer")
    rows = (_comparison(each, scale_of(differences[str(each.get("metric"))])) for each in given)
    caption = tag(
        "caption",
        tag("b", "Paired differences"),
        " on the same rows; an interval that crosses the dashed line at zero shows no difference.",
    )
    whole = tag(
        "table",
        caption,
        tag("thead", tag("tr", *(tag("th", text, scope="col") for text in head))),
        tag("tbody", *rows),
        class_="checks",
    )
    return tag("div", whole, class_="scroll card", role="region", tabindex=0, aria_label="Paired differences")


def _comparison(each: Fields, scale: Scale) -> Html:
    difference = number(each.get("difference"))
    places = digits([difference.value, difference.low, difference.high])
    sign = "+" if (difference.value or 0) > 0 else ""
    by = f", by {each['by']}" if each.get("by") else ""
    who = tag("small", f"{each.get('candidate')} against {each.get('against')}")
    limits = tag("small", f"{interval(difference, places)} n {grouped(difference.n)}{by}")
    value = tag("td", tag("b", f"{sign}{decimal(difference.value, places)}"), limits, class_="n")
    return tag(
        "tr",
        tag("th", tag("b", str(each.get("metric"))), who, scope="row"),
        value,
        tag("td", whisker(difference, scale, bounds=[0.0])),
    )
