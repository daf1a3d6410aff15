"""Paired differences: how a candidate does against another model on the very same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.core.numbers import Number
from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, breakable, scrolling, tag
from tunesmith.web.order import candidates
from tunesmith.web.read import mappings, number
from tunesmith.web.words import decimal, digits, grouped, interval

Fields = Mapping[str, object]
Pair = tuple[str, str]  # candidate and the model it is held against
Differences = Mapping[str, Number]  # "row" or "group" -> the difference with that interval
CAPTION = "Paired differences"


def comparisons(report: Fields) -> Html:
    """A row for each pair of models and a column for each metric; thin whiskers are intervals by group."""
    found: dict[Pair, dict[str, dict[str, Number]]] = {}
    for each in mappings(report.get("comparisons")):
        cells = found.setdefault((str(each.get("candidate")), str(each.get("against"))), {})
        cells.setdefault(str(each.get("metric")), {})[str(each.get("by") or "row")] = number(each.get("difference"))
    if not found:
        return Html("")
    scales = {metric: _scale(metric, found) for cells in found.values() for metric in cells}
    ranked = [name for name, _ in candidates(report)]
    pairs = sorted(found, key=lambda pair: ranked.index(pair[0]) if pair[0] in ranked else len(ranked))
    rows = (_row(pair, found[pair], scales) for pair in pairs)
    head = tag("tr", *(tag("th", breakable(name), scope="col") for name in ("difference", *scales)))
    note = " on the same rows; an interval that crosses the dashed line at zero leaves open which is higher."
    caption = tag("caption", tag("b", CAPTION), note)
    return scrolling(
        CAPTION, tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="scores"), class_="card"
    )


def _scale(metric: str, found: Mapping[Pair, Mapping[str, Differences]]) -> Scale:
    numbers = [value for cells in found.values() for value in cells.get(metric, {}).values()]
    return scale_of([0.0, *(edge for value in numbers for edge in (value.value, value.low, value.high))])


def _row(pair: Pair, cells: Mapping[str, Differences], scales: Mapping[str, Scale]) -> Html:
    heading = tag("th", tag("span", breakable(pair[0])), tag("small", "minus ", breakable(pair[1])), scope="row")
    return tag("tr", heading, *(_cell(cells.get(metric, {}), scale) for metric, scale in scales.items()))


def _cell(differences: Differences, scale: Scale) -> Html:
    if not differences:
        return tag("td", tag("small", "–"))
    by_row, by_group = differences.get("row"), differences.get("group")
    shown = by_row or next(iter(differences.values()))
    places = digits([shown.value, shown.low, shown.high])
    sign = "+" if (shown.value or 0) > 0 else ""
    drawing = whisker(shown, scale, bounds=[0.0], thin=by_group if by_row else None)
    lines = (tag("small", _limits(by, value, places)) for by, value in sorted(differences.items(), reverse=True))
    return tag("td", tag("b", f"{sign}{decimal(shown.value, places)}"), drawing, *lines)


def _limits(by: str, value: Number, places: int) -> str:
    return f"{interval(value, places)} n {grouped(value.n)} {by}s"


def comparison_n(report: Fields, wanted: Fields) -> int:
    """How many rows stand behind the comparison that has these fields; 0 if there is none."""
    fits: Sequence[Fields] = [each for each in mappings(report.get("comparisons")) if wanted.items() <= each.items()]
    return number(fits[0].get("difference")).n if fits else 0
