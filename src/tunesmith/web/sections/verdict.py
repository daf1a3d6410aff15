"""The verdict of the gate in words: passed or refused, and which check said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tunesmith.core.numbers import Number
from tunesmith.web.draw import scale_of, whisker
from tunesmith.web.html import Html, breakable, tag
from tunesmith.web.order import candidates
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, mapping, mappings, number
from tunesmith.web.sections.comparisons import comparison_n
from tunesmith.web.words import VERDICTS, decimal, digits, grouped, interval, rule

SIGNS = {"passed": "✓", "failed": "✗", "undecidable": "?", "waiting": "…"}
Fields = Mapping[str, object]


def verdict(report: Fields) -> Section | None:
    """A card for every candidate that went before the gate."""
    cards = [_candidate(report, name, fields) for name, fields in candidates(report)]
    lead = (
        "The recipe's bounds decide, on data that no candidate was trained on. A candidate passes if every check does."
    )
    return Section("gate", "Quality gate", tag("div", *cards, class_="gate"), lead) if cards else None


def _candidate(report: Fields, name: str, fields: Fields) -> Html:
    state = str(fields.get("state", "waiting"))
    checks = mappings(fields.get("checks"))
    word = tag("span", f"{SIGNS.get(state, '?')} {VERDICTS.get(state, state)}", class_=f"verdict {state}")
    heading = tag("h3", tag("span", breakable(name), class_="name"), word)
    return card(heading, _reasons(checks), _checks(report, name, checks), class_=state)


def _reasons(checks: Sequence[Fields]) -> Html:
    """Why the verdict is what it is: the checks that did not pass, in words."""
    against = [check for check in checks if check.get("state") != "passed"]
    if not against:
        return tag("p", f"All {len(checks)} checks passed." if checks else "No check was made.", class_="reason")
    sentences = (str(check.get("why") or f"{check.get('metric')}: {rule(check)}") for check in against)
    return tag("ul", *(tag("li", sentence) for sentence in sentences), class_="reason")


def _checks(report: Fields, name: str, checks: Sequence[Fields]) -> Html:
    if not checks:
        return Html("")
    rows = (
        _check(check, _size(report, name, check))
        for check in sorted(checks, key=lambda check: check.get("state") == "passed")
    )
    head = tag("tr", *(tag("th", text, scope="col") for text in ("check", "measured", "interval and bound")))
    caption = tag("caption", f"Checks of {name}", class_="hidden")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="checks")


def _size(report: Fields, name: str, check: Fields) -> int:
    """How many rows stand behind a check: those of its comparison, or of its number."""
    metric = check.get("metric")
    wanted = {"metric": metric, "candidate": name, "against": check.get("against"), "by": check.get("by")}
    if check.get("against") is None:
        return number(mapping(report.get("numbers")).get(f"{name}/{metric}")).n
    return comparison_n(report, wanted)


def _check(check: Fields, size: int) -> Html:
    state, measured = str(check.get("state", "")), replace(number(check), n=size)
    label = VERDICTS.get(state, state).lower()
    sign = tag("span", SIGNS.get(state, "?"), class_=f"sign {state}", role="img", aria_label=label)
    heading = tag("th", sign, tag("b", breakable(check.get("metric"))), tag("small", rule(check)), scope="row")
    bound = limit(check)
    scale = scale_of([measured.value, measured.low, measured.high, bound], pad=0.25)
    drawing = whisker(measured, scale, bounds=[] if bound is None else [bound])
    return tag("tr", heading, tag("td", *_measured(check, measured), class_="n"), tag("td", drawing), class_=state)


def _measured(check: Fields, measured: Number) -> list[Html]:
    places = digits([measured.value, measured.low, measured.high])
    rows = f"n {grouped(measured.n)}{', by group' if check.get('by') == 'group' else ''}" if measured.n else ""
    value = tag("b", _signed(check, decimal(measured.value, places)))
    return [value, tag("small", interval(measured, places)), tag("small", rows)]


def limit(check: Fields) -> float | None:
    """Where a check's bound lies on the axis of its value: the value of gain and non_inferior is a difference."""
    bound = amount(check.get("bound"))
    if check.get("rule") not in ("gain", "non_inferior"):
        return bound
    better = -1 if check.get("lower_is_better") else 1
    return better * (abs(bound or 0.0) * -1 if check.get("rule") == "non_inferior" else bound or 0.0)


def _signed(check: Fields, text: str) -> str:
    is_difference = check.get("rule") in ("gain", "non_inferior") and not text.startswith(("−", "n"))
    return f"+{text}" if is_difference else text
