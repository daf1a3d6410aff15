"""How training went: the curves, and every setting with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.draw import Points, curve
from tunesmith.web.html import Html, folded, join, table, tag
from tunesmith.web.page import Section
from tunesmith.web.read import amount, count, mapping, mappings, named
from tunesmith.web.words import decimal, grouped, plain

TOGETHER = ("loss", "validation_loss")  # drawn into one picture; every other quantity gets its own
Fields = Mapping[str, object]


def training(report: Fields) -> Section | None:
    """Curves and settings of every train step."""
    settings = dict(named(report.get("training")))
    curves = {str(name): mappings(points) for name, points in mapping(report.get("curves")).items()}
    parts = [_step(name, settings.get(name, {}), curves.get(name, [])) for name in dict.fromkeys([*settings, *curves])]
    return Section("training", "Training", join(parts)) if parts else None


def _step(name: str, fields: Fields, points: Sequence[Fields]) -> Html:
    size = count(fields.get("parameters"))
    facts = [str(fields["kind"])] if fields.get("kind") else []
    facts += [f"{grouped(count(fields['steps']))} steps"] if fields.get("steps") else []
    facts += [f"{grouped(size)} parameters"] if size else []
    pictures = tag("div", *figures(name, points), class_="figures")
    return tag("div", tag("h3", name, " ", tag("small", " · ".join(facts))), pictures, _settings(name, fields))


def figures(name: str, points: Sequence[Fields]) -> list[Html]:
    """One picture for the losses and one for each other quantity of a train step."""
    keys = dict.fromkeys(key for point in points for key in point if key != "step")
    groups = [[key for key in TOGETHER if key in keys], *([key] for key in keys if key not in TOGETHER)]
    drawn = [{key.replace("_", " "): _points(points, key) for key in group if _points(points, key)} for group in groups]
    return [_figure(name, series) for series in drawn if series]


def _points(points: Sequence[Fields], key: str) -> list[tuple[float, float]]:
    pairs = ((amount(point.get("step")), amount(point.get(key))) for point in points)
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _figure(name: str, series: Mapping[str, Points]) -> Html:
    ends = "; ".join(f"{key} {decimal(points[0][1])} → {decimal(points[-1][1])}" for key, points in series.items())
    n = max(len(points) for points in series.values())
    alt = f"{name}, {n} points over training steps: {ends}"
    caption = tag("figcaption", tag("b", next(iter(series))), " ", tag("small", f"{ends} · n {n} points"))
    return tag("figure", caption, curve(series, alt=alt), class_="card")


def _settings(name: str, fields: Fields) -> Html:
    given = mappings(fields.get("settings"))
    if not given:
        return Html("")
    rows = ((str(each.get("name", "")), plain(each.get("value")), str(each.get("why") or "")) for each in given)
    return folded(
        f"{len(given)} settings of {name}, and why", table(f"Settings of {name}", ("setting", "value", "why"), rows)
    )
