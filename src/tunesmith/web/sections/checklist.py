"""The checklist of the method: what was done, what was waived in writing, and what is not yet measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.html import Html, join, table, tag
from tunesmith.web.page import Section, card, pill
from tunesmith.web.read import mappings

KINDS = {"done": "passed", "failed": "failed", "waived": "waiting", "not yet measured": "open"}
Fields = Mapping[str, object]


def checklist(report: Fields) -> Section | None:
    """The items of every list with their state, and the waivers."""
    items, waivers = mappings(report.get("checklist")), mappings(report.get("waived"))
    names = dict.fromkeys(str(item.get("list", "")) for item in items)
    cards = [_list(name, [item for item in items if str(item.get("list", "")) == name]) for name in names]
    if waivers:
        rows = ((str(each.get("check", "")), str(each.get("reason", ""))) for each in waivers)
        cards.append(card(table("Waived in the recipe", ("check", "reason"), rows)))
    return Section("checklist", "Checklist", join(cards)) if cards else None


def _list(name: str, items: Sequence[Fields]) -> Html:
    states = [str(item.get("state", "")) for item in items]
    tally = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys([*KINDS, *states]) if state in states)
    rows = ((tag("span", str(item.get("item", ""))), _state(item), str(item.get("why") or "")) for item in items)
    return card(table(f"{name} · {tally}", ("item", "state", "why"), rows, class_="items"))


def _state(item: Fields) -> Html:
    state = str(item.get("state", ""))
    return pill(state, KINDS.get(state, "open"))
