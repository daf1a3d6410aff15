"""What reward models are worth on held-out pairs: accuracy, reliability, and whether they only count words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tunesmith.core.numbers import Number
from tunesmith.web.draw import reliability, whisker
from tunesmith.web.html import Html, breakable, join, table, tag
from tunesmith.web.order import candidates
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, count, mapping, mappings, named, number
from tunesmith.web.words import decimal, grouped, interval

Fields = Mapping[str, object]
LEAD = (
    "Held-out pairs, told apart by the reward model of each train step. A reward model that only counts words would do "
    "as well as the rule of length, and fail where length speaks against the chosen answer."
)


def rewards(report: Fields) -> Section | None:
    """A card for each reward model that was trained."""
    found = {
        str(name): mapping(mapping(fields.get("found")).get("reward")) for name, fields in named(report.get("training"))
    }
    first = [name for name, _ in candidates(report)]
    order = sorted(found, key=lambda name: (first.index(name) if name in first else len(first), name))
    cards = [_model(name, found[name]) for name in order if found[name]]
    return Section("rewards", "Reward models", join(cards), LEAD) if cards else None


def _model(name: str, found: Fields) -> Html:
    heading = tag("h3", breakable(name), " ", tag("small", f"{grouped(count(found.get('pairs')))} held-out pairs"))
    parts = [heading, tag("p", str(found.get("verdict", "")))]
    if count(found.get("pairs")):
        parts += [tag("div", card(_numbers(name, found)), *_reliability(name, found), class_="flow")]
    return join(parts)


def _numbers(name: str, found: Fields) -> Html:
    rows = [
        (label, decimal(value.value, 3), interval(value, 3), grouped(value.n), whisker(value, (0.0, 1.0), bounds=[0.5]))
        for label, value in _measured(found)
    ]
    more = [("ties", grouped(count(found.get("ties")))), ("mean margin", decimal(amount(found.get("margin")), 3))]
    length = mapping(found.get("length"))
    more += [("rank correlation of reward and length in a pair", decimal(amount(length.get("correlation")), 3))]
    rows += [(label, value, "", "", Html("")) for label, value in more]
    return table(f"Pairs told apart by {name}", ("accuracy", "value", "95 % interval", "n", ""), rows)


def _measured(found: Fields) -> Iterator[tuple[str, Number]]:
    length = mapping(found.get("length"))
    yield "of the reward model", number(found.get("accuracy"))
    yield f"of the rule: the {length.get('rule')} answer wins", number(length.get("by_rule"))
    yield "where the chosen answer is the longer", number(length.get("chosen_longer"))
    yield "where the chosen answer is the shorter", number(length.get("chosen_shorter"))
    yield "where both are of like length", number(length.get("matched"))


def _reliability(name: str, found: Fields) -> list[Html]:
    calibration = mapping(found.get("calibration"))
    bins = [(amount(one.get("confidence")), number(one.get("accuracy"))) for one in mappings(calibration.get("bins"))]
    points = [(said, was) for said, was in bins if said is not None]
    error = decimal(amount(calibration.get("error")), 3)
    alt = f"{name}: accuracy by confidence, {len(points)} bins; expected calibration error {error}"
    caption = tag("figcaption", tag("b", "reliability"), " ", tag("small", f"expected calibration error {error}"))
    return [tag("figure", caption, reliability(points, alt=alt), class_="card")] if points else []
