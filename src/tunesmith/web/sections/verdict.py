"""The verdict of the gate in words: passed or refused, and which check said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.draw import scale_of, whisker
from tunesmith.web.html import Html, join, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, mappings, named, number
from tunesmith.web.words import VERDICTS, decimal, digits, interval, rule

SIGNS = {"passed": "✓", "failed": "✗", "undecidable": "?", "waiting": "…"}
Fields = Mapping[str, object]


def verdict(report: Fields) -> Section | None:
    """A card for every candidate that went before the gate."""
    cards = [_candidate(name, fields) for name, fields in named(report.get("gate"))]
    lead = "The recipe's bounds decide, on data no candidate was trained on. To pass, every check must pass."
    return Section("gate", "Quality gate", tag("div", *cards, class_="gate"), lead) if cards else None


def _candidate(name: str, fields: Fields) -> Html:
    state = str(fields.get("state", "waiting"))
    checks = mappings(fields.get("checks"))
    word = tag("span", f"{SIGNS.get(state, '?')} {VERDICTS.get(state, state)}", class_=f"verdict {state}")
    reasons = tag("p", _reason(state, checks), class_="reason")
    return card(tag("h3", tag("span", name, class_="name"), word), reasons, _checks(name, checks), class_=state)


def _reason(state: str, checks: Sequence[Fields]) -> Html:
    against = [check for check in checks if check.get("state") != "passed"]
    if state == "passed" or not against:
        return join([f"All {len(checks)} checks passed." if checks else "No check was made."])
    sentences = (_sentence(str(check.get("why") or f"{check.get('metric')}: {rule(check)}")) for check in against)
    return join(sentences, " ")


def _sentence(text: str) -> str:
    """Text with a capital and a full stop, unless it begins with a name that would not be known again."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _checks(name: str, checks: Sequence[Fields]) -> Html:
    rows = (_check(check) for check in sorted(checks, key=lambda check: check.get("state") == "passed"))
    head = tag("tr", *(tag("th", text, scope="col") for text in ("check", "measured", "95 % interval and bound")))
    caption = tag("caption", f"Checks of {name}", class_="hidden")
    return tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="checks")


def _check(check: Fields) -> Html:
    state, measured = str(check.get("state", "")), number(check)
    sign = tag(
        "span", SIGNS.get(state, "?"), class_=f"sign {state}", role="img", aria_label=VERDICTS.get(state, state).lower()
    )
    heading = tag(
        "th",
        sign,
        tag("b", str(check.get("metric", ""))),
        tag("small", rule(check)),
        scope="row",
        title=str(check.get("why") or "") or None,
    )
    places = digits([measured.value, measured.low, measured.high])
    bound = limit(check)
    value = tag(
        "td",
        tag("b", _signed(check, decimal(measured.value, places))),
        tag("small", interval(measured, places)),
        class_="n",
    )
    scale = scale_of([measured.value, measured.low, measured.high, bound], pad=0.25)
    return tag(
        "tr", heading, value, tag("td", whisker(measured, scale, bounds=[] if bound is None else [bound])), class_=state
    )


def limit(check: Fields) -> float | None:
    """Where a check's bound lies on the axis of its value: the value of gain and non_inferior is a difference."""
    bound = amount(check.get("bound"))
    if check.get("rule") == "non_inferior":
        return -abs(bound or 0.0)
    return bound or 0.0 if check.get("rule") == "gain" else bound


def _signed(check: Fields, text: str) -> str:
    is_difference = check.get("rule") in ("gain", "non_inferior") and not text.startswith(("−", "n"))
    return f"+{text}" if is_difference else text
