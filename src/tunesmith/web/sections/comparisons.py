"""Paired differences: how a candidate does against another model on the very same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, breakable, scrolling, tag
from tunesmith.web.read import mappings, number
from tunesmith.web.words import decimal, digits, grouped, interval

Fields = Mapping[str, object]
CAPTION = "Paired differences"


def comparisons(report: Fields) -> Html:
    """The differences, metric by metric, each metric on one scale."""
    given = mappings(report.get("comparisons"))
    if not given:
        return Html("")
    by_metric: dict[str, list[Fields]] = {}
    for each in given:
        by_metric.setdefault(str(each.get("metric")), []).append(each)
    rows = [_row(each, scale) for group in by_metric.values() for scale in [_scale(group)] for each in group]
    note = " on the same rows; an interval that crosses the dashed line at zero leaves open which is better."
    head = tag("tr", *(tag("th", text, scope="col") for text in ("metric", "difference", "interval and zero")))
    caption = tag("caption", tag("b", CAPTION), note)
    whole = tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="checks differences")
    return scrolling(CAPTION, whole, class_="card")


def _scale(group: Sequence[Fields]) -> Scale:
    found = [number(each.get("difference")) for each in group]
    return scale_of([0.0, *(edge for value in found for edge in (value.value, value.low, value.high))])


def _row(each: Fields, scale: Scale) -> Html:
    difference = number(each.get("difference"))
    places = digits([difference.value, difference.low, difference.high])
    sign = "+" if (difference.value or 0) > 0 else ""
    size = f"n {grouped(difference.n)} {each.get('by') or 'row'}s"
    who = tag("small", breakable(each.get("candidate")), " against ", breakable(each.get("against")))
    heading = tag("th", tag("b", breakable(each.get("metric"))), who, scope="row")
    limits = (tag("small", interval(difference, places)), tag("small", size))
    value = tag("td", tag("b", f"{sign}{decimal(difference.value, places)}"), *limits, class_="n")
    return tag("tr", heading, value, tag("td", whisker(difference, scale, bounds=[0.0])))
