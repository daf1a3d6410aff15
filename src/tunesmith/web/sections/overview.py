"""The top of the report: what happened, in plain words, and the four numbers that matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tunesmith.web.html import Html, join, tag
from tunesmith.web.order import candidates
from tunesmith.web.page import pill
from tunesmith.web.read import amounts, count, mapping, sequence
from tunesmith.web.words import STATES, VERDICTS, dropped, duration, grouped, share

Fields = Mapping[str, object]


def overview(report: Fields) -> Html:
    """State, title, story, tiles and warnings."""
    state = str(report.get("state") or "")
    text, kind = STATES.get(state, (state.capitalize(), "waiting"))
    goal = tag("span", f"goal: {report['goal']}", class_="goal") if report.get("goal") else ""
    brand = tag("p", tag("b", "tunesmith"), " run report", goal, class_="brand")
    title = tag("h1", str(report.get("run", "")), " ", pill(text, kind) if text else "")
    story = tag("div", *(tag("p", sentence) for sentence in sequence(report.get("story"))), class_="story")
    tiles = tag("dl", *_tiles(report), class_="tiles")
    return tag("header", brand, title, tag("div", story, tiles, class_="top"), _warnings(report))


def _warnings(report: Fields) -> Html:
    given = sequence(report.get("warnings"))
    if not given:
        return Html("")
    return tag("div", *(tag("p", tag("b", "Warning: "), text) for text in given), class_="warnings", role="note")


def _tiles(report: Fields) -> Iterator[Html]:
    records = mapping(report.get("records"))
    whole = count(records.get("in")) + count(records.get("made"))
    yield _tile("records in", grouped(count(records.get("in"))), _came(records))
    yield _tile("records kept", grouped(count(records.get("kept"))), _went(records, whole))
    verdicts = [(name, str(verdict.get("state"))) for name, verdict in candidates(report)]
    if verdicts:
        yield _tile("quality gate", join(_verdict(name, state) for name, state in verdicts), "")
    seconds = amounts(report.get("seconds"))
    if seconds:
        longest = max(seconds, key=lambda name: seconds[name])
        yield _tile("time", duration(sum(seconds.values())), f"{len(seconds)} steps, longest {longest}")


def _verdict(name: str, state: str) -> Html:
    return tag("span", tag("small", name), " ", pill(VERDICTS.get(state, state).lower(), state), class_="line")


def _came(records: Fields) -> str:
    made, aside = count(records.get("made")), count(records.get("quarantined"))
    notes = [f"{grouped(made)} made from them"] if made else []
    return " · ".join([*notes, f"{grouped(aside) if aside else 'none'} quarantined"])


def _went(records: Fields, whole: int) -> str:
    return f"{share(count(records.get('kept')), whole)} · {grouped(dropped(records))} dropped"


def _tile(name: str, value: str, note: str) -> Html:
    last = tag("dd", note, class_="note") if note else ""
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), last)
