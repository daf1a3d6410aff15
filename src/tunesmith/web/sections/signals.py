"""Histograms of the signals, with the bounds that decided drawn into them."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.draw import histogram
from tunesmith.web.html import Html, breakable, tag
from tunesmith.web.page import Section
from tunesmith.web.read import amount, amounts, mapping, named, sequence
from tunesmith.web.words import grouped, plain

LOWER_FIRST = ("min", "above", "max", "below")


def signals(report: Mapping[str, object]) -> Section | None:
    """One histogram for each measured signal."""
    several = len(mapping(report.get("histograms"))) > 1
    figures = [
        _figure(signal, fields, of if several else "")
        for of, measured in named(report.get("histograms"))
        for signal, fields in named(measured)
        if _drawable(fields)
    ]
    if not figures:
        return None
    lead = "What was measured before the bounds decided; dashed lines are bounds, and bars beyond them were dropped."
    return Section("signals", "Signals", tag("div", *figures, class_="figures"), lead)


def _drawable(fields: Mapping[str, object]) -> bool:
    edges, counts = _numbers(fields.get("edges")), _numbers(fields.get("counts"))
    return len(edges) == len(counts) + 1 and sum(counts) > 0 and edges[-1] > edges[0]


def _numbers(value: object) -> list[float]:
    return [item for item in map(amount, sequence(value)) if item is not None]


def _figure(signal: str, fields: Mapping[str, object], of: str) -> Html:
    edges, counts, bounds = _numbers(fields.get("edges")), _numbers(fields.get("counts")), _bounds(fields)
    n = f"n {grouped(sum(counts))}"
    kept = ", ".join(f"{name} {plain(value)}" for name, value in bounds.items()) or "no bound"
    peak = max(range(len(counts)), key=lambda index: counts[index])
    alt = f"Histogram of {signal}, {n}, most often between {edges[peak]:g} and {edges[peak + 1]:g}; bounds: {kept}"
    caption = tag("figcaption", tag("b", breakable(signal)), f" {of} " if of else " ", tag("small", f"{kept} · {n}"))
    return tag("figure", caption, histogram(edges, counts, amounts(bounds), alt=alt), class_="card")


def _bounds(fields: Mapping[str, object]) -> dict[str, object]:
    """The bounds of a signal, lower limits first."""
    given = mapping(fields.get("bounds"))
    return {name: given[name] for name in (*(name for name in LOWER_FIRST if name in given), *given)}
