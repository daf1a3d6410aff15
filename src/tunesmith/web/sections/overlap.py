"""Test rows that also stand among the rows trained on: how many, and which."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.html import table, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, count, mapping, mappings
from tunesmith.web.words import decimal, grouped, share


def overlap(report: Mapping[str, object]) -> Section | None:
    """The test rows that overlap rows trained on; nothing where none does."""
    found = mapping(report.get("overlap"))
    hit, rows = count(found.get("contaminated")), count(found.get("rows"))
    if not hit:
        return None
    told = f"{grouped(hit)} of {grouped(rows)} test rows ({share(hit, rows)}) overlap rows trained on"
    lines = (
        (tag("code", str(each.get("id"))[:12]), str(each.get("prompt")), decimal(amount(each.get("overlap"))),
         tag("code", str(each.get("row"))[:12]))
        for each in mappings(found.get("examples"))
    )  # fmt: skip
    shown = table("The largest overlaps", ("test row", "text", "overlap", "row trained on"), lines, class_="rows")
    lead = f"{told} (beyond {found.get('bound')}). The numbers above are given for the clean rows too, as @clean."
    return Section("overlap", "Overlap with training", card(shown), lead)
