"""How training went: the curves, and every setting with where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunesmith.web.draw import Points, curve, key
from tunesmith.web.html import Html, breakable, join, table, tag
from tunesmith.web.order import candidates
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, count, mapping, mappings, named
from tunesmith.web.words import decimal, digits, grouped, plain

DRAWN = ("reward", "forgetting", "terminology", "rlhf")  # of what trainers find: what other sections show
MOST_FACTS = 30
VALIDATION = "validation_"  # drawn into one picture with the same quantity of the training data
Fields = Mapping[str, object]


def training(report: Fields) -> Section | None:
    """Curves and settings of every train step."""
    settings = dict(named(report.get("training")))
    curves = {str(name): mappings(points) for name, points in mapping(report.get("curves")).items() if points}
    searches = mapping(report.get("searches"))
    parts = [
        _step(name, settings.get(name, {}), curves.get(name, []), mappings(searches.get(name)))
        for name in sorted({*settings, *curves}, key=lambda name: (_rank(report, name), name))
    ]
    return Section("training", "Training", join(parts)) if parts else None


def _rank(report: Fields, name: str) -> int:
    """Models that others start from come first, then the candidates, those that passed before those that did not."""
    ranked = [candidate for candidate, _ in candidates(report)]
    return 1 + ranked.index(name) if name in ranked else 0


def _step(name: str, fields: Fields, points: Sequence[Fields], trials: Sequence[Fields]) -> Html:
    size = count(fields.get("parameters"))
    facts = [str(fields["kind"])] if fields.get("kind") else []
    facts += [f"{grouped(count(fields['steps']))} steps"] if fields.get("steps") else []
    facts += [f"{grouped(size)} parameters"] if size else []
    facts += [_adapter(adapter, size)] if (adapter := mapping(fields.get("adapter"))) else []
    heading = tag("h3", breakable(name), " ", tag("small", " · ".join(facts)))
    tables = (_settings(name, fields), _found(name, fields), _tried(name, trials))
    return join([heading, tag("div", *figures(name, points), *tables, class_="flow")])


def _adapter(fields: Fields, parameters: int) -> str:
    trained = count(fields.get("trained"))
    share = f"{trained / parameters:.2%}" if parameters else "some"
    return f"{fields.get('kind')}: {share} of them trained, {fields.get('size')} on disk beside {fields.get('base')}"


def figures(name: str, points: Sequence[Fields]) -> list[Html]:
    """A picture for each quantity of a train step, the loss first."""
    measured = {quantity for point in points for quantity in point} - {"step"}
    quantities = {quantity.removeprefix(VALIDATION) for quantity in measured}
    ordered = sorted(quantities, key=lambda quantity: (quantity != "loss", quantity))
    drawn = ({of: _points(points, of) for of in (quantity, VALIDATION + quantity)} for quantity in ordered)
    lines = ({of.replace("_", " "): line for of, line in series.items() if line} for series in drawn)
    return [_figure(name, series) for series in lines if series]


def _points(points: Sequence[Fields], quantity: str) -> list[tuple[float, float]]:
    pairs = ((amount(point.get("step")), amount(point.get(quantity))) for point in points)
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _figure(name: str, series: Mapping[str, Points]) -> Html:
    ends = "; ".join(f"{of} {_ends(points)}" for of, points in series.items())
    alt = f"{name}, {max(map(len, series.values()))} points over training steps: {ends}"
    caption = tag("figcaption", tag("b", next(iter(series))), " ", tag("small", *_lines(series)))
    return tag("figure", caption, curve(series, alt=alt), class_="card")


def _lines(series: Mapping[str, Points]) -> Iterator[Html]:
    """The legend: the first and last value of each line of a picture, with the number of its points."""
    for index, (name, points) in enumerate(series.items()):
        mark = [key(index), f"{name} "] if len(series) > 1 else []
        yield tag("span", *mark, f"{_ends(points)} · n {len(points)}")


def _ends(points: Points) -> str:
    places = digits(y for _, y in points)
    return f"{decimal(points[0][1], places)} → {decimal(points[-1][1], places)}"


def _settings(name: str, fields: Fields) -> Html:
    given = mappings(fields.get("settings"))
    if not given:
        return Html("")
    rows = ((breakable(each.get("name")), plain(each.get("value")), str(each.get("why") or "")) for each in given)
    return card(table(f"Settings of {name}, and why", ("setting", "value", "why"), rows), class_="settings")


def _found(name: str, fields: Fields) -> Html:
    """What else a training found, as plain facts; what a section of its own draws is left to it."""
    rest = {key: value for key, value in mapping(fields.get("found")).items() if key not in DRAWN}
    rows = [(breakable(key), grouped(value) if type(value) is int else plain(value)) for key, value in _facts(rest)]
    return (
        card(table(f"Found by {name}", ("fact", "value"), rows[:MOST_FACTS]), class_="settings") if rows else Html("")
    )


def _facts(found: Fields, above: str = "") -> Iterator[tuple[str, object]]:
    """The facts that are one value, those within others by their path."""
    for fact, value in found.items():
        if isinstance(value, Mapping):
            yield from _facts(value, f"{above}{fact} ")
        elif isinstance(value, str | int | float):
            yield f"{above}{fact}".replace("_", " "), value


def _tried(name: str, trials: Sequence[Fields]) -> Html:
    """What a search tried, best first."""
    if not trials:
        return Html("")
    losses = [amount(trial.get("validation_loss")) or 0.0 for trial in trials]
    places = digits(losses)
    rows = (
        (
            breakable(", ".join(f"{of} {value}" for of, value in mapping(trial.get("settings")).items())),
            decimal(loss, places),
            grouped(count(trial.get("step"))),
        )
        for trial, loss in zip(trials, losses, strict=True)
    )
    return card(
        table(f"Settings tried for {name}", ("settings", "validation loss", "at step"), rows), class_="settings"
    )
