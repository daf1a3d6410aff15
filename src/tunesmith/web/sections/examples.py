"""What the models say, side by side, and what was kept and dropped, in rows one can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.web.html import Html, folded, join, table, tag
from tunesmith.web.order import arms, lists
from tunesmith.web.page import Section, card
from tunesmith.web.read import mapping, mappings
from tunesmith.web.words import plain

SHOWN = 4
SIGNALS = 8  # of a row that are told
LEADS = {  # by what the metrics asked models for
    "answers": "Answers to held-out prompts, as they came.",
    "likelihood": "Held-out documents, and how well each model foretells them: fewer bits are better.",
    "rewards": "Held-out pairs, and how each model rewards their answers.",
}
Fields = Mapping[str, object]


def examples(report: Fields) -> Section | None:
    """Prompts with their target and every model's answer."""
    cards = [_example(each, arms(report)) for each in mappings(report.get("examples"))]
    if not cards:
        return None
    shown, others = (tag("div", *part, class_="examples") for part in (cards[:SHOWN], cards[SHOWN:]))
    rest = folded(f"{len(cards) - SHOWN} more examples", others) if cards[SHOWN:] else ""
    lead = LEADS.get(str(report.get("asks")), LEADS["answers"])
    return Section("examples", "Examples", join([shown, rest]), lead)


def _example(each: Fields, ranked: Sequence[str]) -> Html:
    given = {str(arm): str(text) for arm, text in mapping(each.get("answers")).items()}
    known = [arm for arm in ranked if arm in given]
    rows = [_said(arm, given[arm]) for arm in (*known, *sorted(set(given) - set(known)))]
    if each.get("target") is not None:
        rows.insert(0, _said("target", str(each["target"]), class_="target"))
    return card(tag("pre", str(each.get("prompt", "")), dir="auto"), tag("dl", *rows), class_="example")


def _said(who: str, text: str, *, class_: str | None = None) -> Html:
    return tag("div", tag("dt", who), tag("dd", text or "(empty)", dir="auto"), class_=class_)


def samples(report: Fields) -> Section | None:
    """Rows that were kept and rows that were dropped, by reason."""
    given = {name: mapping(fields.get("samples")) for name, fields in lists(report).items()}
    parts = [_list(name, rows) for name, rows in given.items() if rows]
    return Section("samples", "Samples", join(parts), "Redacted where the recipe says so.") if parts else None


def _list(name: str, given: Fields) -> Html:
    kept = mappings(given.get("kept"))
    parts = [_kept(name, kept)] if kept else []
    parts += [_dropped(group) for group in mappings(given.get("dropped"))]
    return tag("div", tag("h3", name), *parts)


def _kept(name: str, rows: Sequence[Fields]) -> Html:
    lines = ((_id(row), _text(row), _signals(row)) for row in rows)
    return folded(
        f"{len(rows)} of the rows kept", table(f"Kept rows of {name}", ("id", "text", "signals"), lines, class_="rows")
    )


def _dropped(group: Fields) -> Html:
    """Rows dropped for one reason, and the kept rows nearest to its bound, so that the bound can be judged by eye."""
    reason, bound = str(group.get("reason", "")), str(group.get("bound") or "")
    rows, near = mappings(group.get("rows")), mappings(group.get("near"))
    lines = ((_id(row), _text(row), str(row.get("why") or "")) for row in rows)
    tables = [table(f"Dropped: {reason}", ("id", "text", "why"), lines, class_="rows")]
    if near:
        stayed = ((_id(row), _text(row), plain(row.get("value"))) for row in near)
        tables.append(table(f"Kept, nearest to {bound}", ("id", "text", reason), stayed, class_="rows"))
    beside = f" beside {len(near)} kept nearest to {bound}" if near else ""
    return folded(join([f"{len(rows)} of the rows dropped: ", tag("b", reason), beside]), *tables)


def _id(row: Fields) -> Html:
    identity = str(row.get("id", ""))
    return tag("code", identity[:12], title=identity)


def _text(row: Fields) -> Html:
    return tag("span", str(row.get("text", "")), class_="text", dir="auto")


def _signals(row: Fields) -> str:
    told = [f"{name} {plain(value)}" for name, value in sorted(mapping(row.get("signals")).items())]
    rest = [f"and {len(told) - SIGNALS} more"] if len(told) > SIGNALS else []
    return ", ".join([*told[:SIGNALS], *rest])
