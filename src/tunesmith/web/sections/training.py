"""How training went: the curves, and every setting with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.draw import Points, curve
from tunesmith.web.html import Html, breakable, join, table, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, count, mapping, mappings, named
from tunesmith.web.words import decimal, digits, grouped, plain

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
    heading = tag("h3", breakable(name), " ", tag("small", " · ".join(facts)))
    return join([heading, tag("div", *figures(name, points), _settings(name, fields), class_="flow")])


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
    ends = "; ".join(f"{key} {_ends(points)}" for key, points in series.items())
    n = max(len(points) for points in series.values())
    alt = f"{name}, {n} points over training steps: {ends}"
    caption = tag("figcaption", tag("b", next(iter(series))), " ", tag("small", *_lines(series)))
    return tag("figure", caption, curve(series, alt=alt), class_="card")


def _lines(series: Mapping[str, Points]) -> list[Html]:
    """The first and last value of each line of a picture, with the number of its points."""
    names = [""] if len(series) == 1 else [f"{key} " for key in series]
    texts = (f"{name}{_ends(points)} · n {len(points)}" for name, points in zip(names, series.values(), strict=True))
    return [tag("span", text) for text in texts]


def _ends(points: Points) -> str:
    places = digits(y for _, y in points)
    return f"{decimal(points[0][1], places)} → {decimal(points[-1][1], places)}"


def _settings(name: str, fields: Fields) -> Html:
    given = mappings(fields.get("settings"))
    if not given:
        return Html("")
    rows = ((breakable(each.get("name")), plain(each.get("value")), str(each.get("why") or "")) for each in given)
    return card(table(f"Settings of {name}, and why", ("setting", "value", "why"), rows), class_="settings")
