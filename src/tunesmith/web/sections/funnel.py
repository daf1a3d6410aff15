"""The funnel: for every list of data, how many records each step let through, how many it dropped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunesmith.web.draw import stacked
from tunesmith.web.html import Html, folded, join, table, tag
from tunesmith.web.page import Section, card
from tunesmith.web.read import amounts, count, mapping, mappings, named
from tunesmith.web.words import balance, grouped, missing, share

SHOWN = 14  # funnel rows before the smaller ones are folded away
Fields = Mapping[str, object]


def funnel(report: Fields) -> Section | None:
    """What came in, what each step dropped and why, and what was kept."""
    lists = dict(named(report.get("lists"))) or {str(report.get("run", "")): mapping(report.get("records"))}
    if not any(count(fields.get("in")) + count(fields.get("made")) for fields in lists.values()):
        return None
    bodies = join(_list(name, fields) for name, fields in lists.items())
    return Section(
        "data",
        "Data",
        bodies,
        "Every record that came in is counted once: kept, dropped with a reason, or quarantined.",
    )


def _list(name: str, fields: Fields) -> Html:
    whole = count(fields.get("in")) + count(fields.get("made"))
    steps = steps_of(fields)
    large, small = _by_size(steps)
    rows = join([_first(fields, whole), *(_step(step, whole) for step in large), _last(fields, whole)])
    header = tag("tr", *(tag("th", text, scope="col") for text in ("step", "records", "dropped", "left")))
    caption = tag("caption", tag("b", name), f" {balance(fields)}", _check(fields))
    whole_table = tag("table", caption, tag("thead", header), tag("tbody", rows), class_="funnel")
    return card(whole_table, _rest(small), _reasons(fields))


def steps_of(fields: Fields) -> list[Fields]:
    """The steps of a list; where they were not kept, one for each reason."""
    steps = mappings(fields.get("steps"))
    if steps:
        return steps
    found: list[Fields] = []
    left = count(fields.get("in")) + count(fields.get("made")) - count(fields.get("quarantined"))
    for reason, amount in amounts(fields.get("dropped")).items():
        name, _, why = reason.partition(": ")
        found.append({"step": name, "why": why, "in": left, "dropped": amount, "kept": left - amount})
        left -= round(amount)
    return found


def _by_size(steps: Sequence[Fields]) -> tuple[list[Fields], list[Fields]]:
    """The steps worth a row, in order, and those folded away because they dropped little or nothing."""
    sizes = sorted((count(step.get("dropped")) for step in steps), reverse=True)
    least = max(1, sizes[SHOWN - 1]) if len(sizes) > SHOWN else 1
    large = [step for step in steps if count(step.get("dropped")) >= least or not _same(step)][: 2 * SHOWN]
    return large, [step for step in steps if step not in large]


def _same(step: Fields) -> bool:
    return count(step.get("in")) - count(step.get("dropped")) == count(step.get("kept"))


def _check(fields: Fields) -> Html:
    lost = missing(fields)
    if lost == 0:
        return tag("span", "✓ every record is accounted for", class_="note ok")
    return tag("span", f"✗ {grouped(lost)} records are not accounted for", class_="note bad")


def _first(fields: Fields, whole: int) -> Html:
    made, came = count(fields.get("made")), count(fields.get("in"))
    note = f"+ {grouped(made)} made" if made else "records read"
    aside = count(fields.get("quarantined"))
    held = tag("span", f"{grouped(aside)} quarantined") if aside else ""
    return _row(
        "in", note, stacked([("kept", came), ("made", made)], whole), held, grouped(came + made), class_="total"
    )


def _step(step: Fields, whole: int) -> Html:
    came, gone, left = (count(step.get(name)) for name in ("in", "dropped", "kept"))
    made = max(0, left + gone - came)
    bar = stacked([("kept", left - made), ("made", made), ("dropped", gone)], whole)
    lost = (
        [f"−{grouped(gone)} ", tag("small", share(gone, came))] if gone else [f"+{grouped(made)} made" if made else "0"]
    )
    return _row(str(step.get("step", "")), str(step.get("why") or ""), bar, join(lost), grouped(left))


def _last(fields: Fields, whole: int) -> Html:
    parts, kept = amounts(fields.get("parts")), count(fields.get("kept"))
    shades = [(f"kept part{index % 4}", size) for index, size in enumerate(parts.values())] or [("kept", kept)]
    note = " · ".join(f"{name} {grouped(size)}" for name, size in parts.items())
    return _row(
        "kept", note, stacked(shades, whole), tag("small", share(kept, whole), " of all"), grouped(kept), class_="total"
    )


def _row(name: str, why: str, bar: Html, lost: object, left: str, *, class_: str | None = None) -> Html:
    heading = tag("th", name, tag("small", why) if why else "", scope="row")
    cells = (tag("td", bar, class_="bars"), tag("td", lost, class_="n lost"), tag("td", left, class_="n"))
    return tag("tr", heading, *cells, class_=class_)


def _rest(steps: Sequence[Fields]) -> Html:
    if not steps:
        return Html("")
    gone = sum(count(step.get("dropped")) for step in steps)
    names = (f"{step.get('step', '')} {step.get('why') or ''}".strip() for step in steps)
    rows = zip(names, (grouped(count(step.get("dropped"))) for step in steps), strict=True)
    summary = f"{len(steps)} more steps, {grouped(gone)} records dropped"
    return folded(summary, table("Steps with few or no dropped records", ("step", "dropped"), rows, class_="counts"))


def _reasons(fields: Fields) -> Html:
    reasons = amounts(fields.get("dropped"))
    if not reasons:
        return Html("")
    whole = sum(reasons.values())
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rows = _shares(ordered, whole)
    return folded(
        f"All {len(reasons)} reasons",
        table("Why records were dropped", ("reason", "records", "share"), rows, class_="counts"),
    )


def _shares(ordered: Sequence[tuple[str, float]], whole: float) -> Iterator[tuple[str, str, str]]:
    return ((name, grouped(amount), share(amount, whole)) for name, amount in ordered)
