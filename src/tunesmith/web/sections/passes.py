"""What the whole-stream passes found: their sentences, tables and charts, list by list."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.draw import stacked
from tunesmith.web.html import Html, folded, join, table, tag
from tunesmith.web.order import lists
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, mapping, mappings, sequence
from tunesmith.web.words import grouped, plain

OPEN = 8  # rows of a table that stands open; longer ones are folded away
Fields = Mapping[str, object]


def passes(report: Fields) -> Section | None:
    """A card for each pass that has something to tell."""
    cards = [
        _card(f"{name} · {found.get('pass', '')}", mapping(found.get("found")))
        for name, fields in lists(report).items()
        for found in mappings(fields.get("passes"))
        if tells(mapping(found.get("found")))
    ]
    lead = "What steps over the whole stream measured: duplicates, overlaps, shares, parts."
    return Section("passes", "Passes", join(cards), lead) if cards else None


def tells(found: Fields) -> bool:
    """Whether there is anything to show."""
    return any(sequence(found.get(key)) for key in ("sentences", "tables", "charts"))


def _card(title: str, found: Fields) -> Html:
    sentences = [tag("p", str(sentence)) for sentence in sequence(found.get("sentences"))]
    charts = [_chart(each) for each in mappings(found.get("charts"))]
    tables = [_table(each) for each in mappings(found.get("tables")) if sequence(each.get("rows"))]
    return card(tag("h3", title), *sentences, *charts, *tables, class_="pass")


def _chart(each: Fields) -> Html:
    """Bars beside their labels and counts: a table that can also be read aloud."""
    labels = [str(label) for label in sequence(each.get("labels"))]
    counts = [amount(value) or 0.0 for value in sequence(each.get("counts"))]
    most = max(counts, default=0.0)
    rows = (
        (label, stacked([("kept", value)], most), grouped(value)) for label, value in zip(labels, counts, strict=False)
    )
    return table(str(each.get("title", "")), ("", "", "n"), rows, class_="bars counts")


def _table(each: Fields) -> Html:
    title = str(each.get("title", ""))
    columns = [str(column) for column in sequence(each.get("columns"))]
    rows = [[_cell(cell) for cell in sequence(row)] for row in sequence(each.get("rows"))]
    whole = table(title, columns, rows, class_="found")
    return whole if len(rows) <= OPEN else folded(f"{title} ({len(rows)} rows)", whole)


def _cell(value: object) -> Html | str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return grouped(value)
    return tag("span", plain(value), class_="text", dir="auto") if isinstance(value, str) else plain(value)
