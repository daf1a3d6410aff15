"""What training on a domain gained and what it forgot, and how well the domain's terms are foretold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunesmith.core.numbers import Number
from tunesmith.web.draw import Scale, scale_of, whisker
from tunesmith.web.html import Html, breakable, folded, join, scrolling, table_row, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import count, mapping, mappings, named, number
from tunesmith.web.words import decimal, digits, grouped, interval

OPEN = 8  # terms that stand open; the others are folded away
TEXTS = {"domain": "the domain", "general": "general text"}
UNITS = {"bits_per_byte": "bits a byte", "loss": "nats a token"}
WHOLE = {"all_terms": "all terms", "other_words": "other words"}
Fields = Mapping[str, object]


def domain(report: Fields) -> Section | None:
    """A card for each train step that learnt a domain."""
    cards = [
        card(tag("h3", breakable(name)), *_tables(told), class_="pass") for name, told in named(report.get("domains"))
    ]
    lead = "Held-out documents before and after training: less is better. Intervals are by document."
    return Section("domain", "Domain", join(cards), lead) if cards else None


def _tables(told: Fields) -> Iterator[Html]:
    texts = {text: mapping(fields) for text, fields in mapping(told.get("forgetting")).items() if text in TEXTS}
    scales = {unit: _scale([mapping(fields.get(unit)) for fields in texts.values()]) for unit in UNITS}
    rows = [
        [join([TEXTS[text], tag("small", said)]), *_change(mapping(fields.get(unit)), scales[unit])]
        for unit, said in UNITS.items()
        for text, fields in texts.items()
    ]
    if rows:
        yield _table("Gained and forgotten", "", ("held out", "before", "after", "difference", ""), rows)
    if terminology := mapping(told.get("terminology")):
        yield from _terms(terminology)


def _terms(told: Fields) -> Iterator[Html]:
    """Terms, and all of them beside the other words."""
    terms, least = mappings(told.get("terms")), count(told.get("least"))
    every = [(WHOLE[name], mapping(told.get(name))) for name in WHOLE]
    rows = [*every, *((str(term.get("word")), term) for term in terms)]
    scale = _scale([mapping(each.get("nats")) for _, each in rows])
    cells = [_term(name, each, scale) for name, each in rows]
    often = f"{grouped(count(told.get('often')))} of {grouped(count(told.get('found')))}"
    note = f" markedly more frequent here than in general text: {often} are held out {least} times or more."
    head = ("word", "nats before", "after", "difference", "", "first choice before", "after")
    shown = OPEN + len(every)
    yield _table("Terms", note, head, cells[:shown])
    if cells[shown:]:
        yield folded(f"{len(cells) - shown} more terms", _table("More terms", "", head, cells[shown:]))


def _term(name: str, told: Fields, scale: Scale) -> list[object]:
    nats, first = mapping(told.get("nats")), mapping(told.get("first"))
    heading = tag("span", breakable(name), tag("small", f"n {grouped(number(nats.get('before')).n)}"), dir="auto")
    shares = [number(first.get(when)).value for when in ("before", "after")]
    return [heading, *_change(nats, scale), *("–" if one is None else f"{100 * one:.0f} %" for one in shares)]


def _change(told: Fields, scale: Scale) -> list[object]:
    """Before, after, the difference with its interval, and a picture of that."""
    before, after, difference = (number(told.get(when)) for when in ("before", "after", "difference"))
    places = digits([before.value, after.value])
    limits = tag("small", f"{interval(difference, places)} n {grouped(difference.n)}")
    sign = "+" if (difference.value or 0) > 0 else ""
    shown = join([tag("b", f"{sign}{decimal(difference.value, places)}"), limits])
    return [
        decimal(before.value, places),
        decimal(after.value, places),
        shown,
        whisker(difference, scale, bounds=[0.0]),
    ]


def _scale(changes: Sequence[Fields]) -> Scale:
    found: list[Number] = [number(told.get("difference")) for told in changes]
    return scale_of([0.0, *(edge for one in found for edge in (one.value, one.low, one.high))])


def _table(title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    caption = tag("caption", tag("b", title), note)
    names = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    return scrolling(title, tag("table", caption, names, tag("tbody", *map(table_row, rows)), class_="changes"))
