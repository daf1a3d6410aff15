"""The funnel: for every list of data, how many records each step let through, how many it dropped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunesmith.web.draw import stacked
from tunesmith.web.html import Html, breakable, folded, join, table, tag
from tunesmith.web.order import by_count, lists, parts
from tunesmith.web.page import Section, card
from tunesmith.web.read import amounts, count, mappings
from tunesmith.web.words import balance, grouped, missing, share

SHOWN = 14  # funnel rows before the smaller ones are folded away
Fields = Mapping[str, object]


def funnel(report: Fields) -> Section | None:
    """What came in, what each step dropped and why, and what was kept."""
    bodies = join(_list(name, fields) for name, fields in lists(report).items())
    if not bodies:
        return None
    lead = "Every record that came in is counted once: kept, dropped with a reason, or quarantined."
    return Section("data", "Data", bodies, lead)


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
        return [step for step in steps if _size(step) or step.get("why")]  # the others have nothing to tell
    found: list[Fields] = []
    left = count(fields.get("in")) + count(fields.get("made")) - count(fields.get("quarantined"))
    for reason, amount in by_count(amounts(fields.get("dropped"))):
        name, _, why = reason.partition(": ")
        found.append({"step": name, "why": why, "in": left, "dropped": amount, "kept": left - amount})
        left -= round(amount)
    return found


def _by_size(steps: Sequence[Fields]) -> tuple[list[Fields], list[Fields]]:
    """The steps worth a row, in order, and those folded away because they dropped little or nothing."""
    if len(steps) <= SHOWN:
        return list(steps), []
    least = sorted(map(_size, steps), reverse=True)[SHOWN - 1]
    large = [step for step in steps if _size(step) >= max(1, least)][:SHOWN]
    return large, [step for step in steps if step not in large]


def _size(step: Fields) -> int:
    return count(step.get("dropped")) + made_by(step)


def _check(fields: Fields) -> Html:
    lost = missing(fields)
    if lost == 0:
        return tag("span", "✓ every record is accounted for", class_="note ok")
    return tag("span", f"✗ {grouped(lost)} records are not accounted for", class_="note bad")


def _first(fields: Fields, whole: int) -> Html:
    """What was read; records that no step says it made are counted here."""
    came = count(fields.get("in"))
    made = count(fields.get("made")) - sum(map(made_by, mappings(fields.get("steps"))))
    note = f"{grouped(came)} read + {grouped(made)} made" if made > 0 else "records read"
    told = any(step.get("step") == "quarantine" for step in mappings(fields.get("steps")))
    aside = 0 if told else count(fields.get("quarantined"))
    held = f" · {grouped(aside)} quarantined" if aside else ""
    bar = stacked([("kept", came), ("made", made)], whole)
    return _row("in", note + held, bar, "", grouped(came + max(0, made)), class_="total")


def made_by(step: Fields) -> int:
    """Records that came out of a step and were not in it before."""
    return max(0, count(step.get("kept")) + count(step.get("dropped")) - count(step.get("in")))


def _step(step: Fields, whole: int) -> Html:
    gone, left, made = count(step.get("dropped")), count(step.get("kept")), made_by(step)
    bar = stacked([("kept", left - made), ("made", made), ("dropped", gone)], whole)
    return _row(str(step.get("step", "")), str(step.get("why") or ""), bar, _change(step), grouped(left))


def _change(step: Fields) -> Html:
    gone, made = count(step.get("dropped")), made_by(step)
    parts = [tag("span", f"+{grouped(made)} made ", class_="plus")] if made else []
    parts += [join([f"−{grouped(gone)} ", tag("small", share(gone, count(step.get("in")) + made))])] if gone else []
    return join(parts or [tag("span", "0", class_="none")])


def _last(fields: Fields, whole: int) -> Html:
    shares, kept = parts(fields), count(fields.get("kept"))
    shades = [(f"kept part{index % 4}", size) for index, size in enumerate(shares.values())] or [("kept", kept)]
    note = " · ".join(f"{name} {grouped(size)}" for name, size in shares.items())
    of_all = tag("small", share(kept, whole), title="of all records")
    return _row("kept", note, stacked(shades, whole), of_all, grouped(kept), class_="total")


def _row(name: str, why: str, bar: Html, lost: object, left: str, *, class_: str | None = None) -> Html:
    heading = tag("th", breakable(name), tag("small", why) if why else "", scope="row")
    cells = (tag("td", bar, class_="bars"), tag("td", lost, class_="n lost"), tag("td", left, class_="n"))
    return tag("tr", heading, *cells, class_=class_)


def _rest(steps: Sequence[Fields]) -> Html:
    if not steps:
        return Html("")
    gone = sum(count(step.get("dropped")) for step in steps)
    names = (f"{step.get('step', '')} {step.get('why') or ''}".strip() for step in steps)
    rows = zip(names, (grouped(count(step.get("dropped"))) for step in steps), strict=True)
    summary = f"{len(steps)} smaller steps dropped {grouped(gone)} records together"
    return folded(summary, table("Steps with few or no dropped records", ("step", "dropped"), rows, class_="counts"))


def _reasons(fields: Fields) -> Html:
    reasons = amounts(fields.get("dropped"))
    if not reasons:
        return Html("")
    whole = sum(reasons.values())
    ordered = by_count(reasons)
    rows = _shares(ordered, whole)
    return folded(
        f"All {len(reasons)} reasons in a table",
        table("Why records were dropped", ("reason", "records", "share"), rows, class_="counts"),
    )


def _shares(ordered: Sequence[tuple[str, float]], whole: float) -> Iterator[tuple[str, str, str]]:
    return ((name, grouped(amount), share(amount, whole)) for name, amount in ordered)
