"""Where the kept records come from and under which licences; what the run cost and what it left behind."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.draw import stacked
from tunesmith.web.html import Html, breakable, folded, table, tag
from tunesmith.web.order import by_count, lists
from tunesmith.web.page import Section, card
from tunesmith.web.read import amounts, mapping
from tunesmith.web.words import duration, grouped, share

SHOWN = 8
TITLES = {"sources": ("Sources", "source"), "licenses": ("Licences", "licence"), "domains": ("Domains", "domain")}
Fields = Mapping[str, object]


def origins(report: Fields) -> Section | None:
    """Sources, licences and domains of what each list kept."""
    kept = {name: fields for name, fields in lists(report).items() if any(fields.get(key) for key in TITLES)}
    cards = [
        counted(f"{title} of {name}" if len(kept) > 1 else title, one, amounts(fields.get(key)))
        for name, fields in kept.items()
        for key, (title, one) in TITLES.items()
        if amounts(fields.get(key))
    ]
    return Section("origins", "Sources and licences", tag("div", *cards, class_="pile")) if cards else None


def counted(title: str, one: str, counts: Mapping[str, float]) -> Html:
    """A card of names with their counts, the largest first, the long tail folded away; `one` is what a name names."""
    whole = sum(counts.values())
    ordered = by_count(counts)
    rows = [(breakable(name), _bar(size, whole), grouped(size), share(size, whole)) for name, size in ordered]
    header = (one, "", "records", "share")
    rest = table(f"{title}, continued", header, rows[SHOWN:], class_="counts")
    more = folded(f"{len(rows) - SHOWN} more", rest) if rows[SHOWN:] else ""
    return card(table(f"{title} · n {grouped(whole)}", header, rows[:SHOWN], class_="counts"), more)


def _bar(size: float, whole: float) -> Html:
    return stacked([("kept", size)], whole)


def ledger(report: Fields) -> Section | None:
    """Seconds by step, and the artifacts by name."""
    cards = [part for part in (_seconds(report), _artifacts(report)) if part]
    return Section("ledger", "Time and artifacts", tag("div", *cards, class_="figures wide")) if cards else None


def _seconds(report: Fields) -> Html:
    seconds = amounts(report.get("seconds"))
    if not seconds:
        return Html("")
    ordered = by_count(seconds)
    longest = ordered[0][1] or 1.0
    rows = ((breakable(name), _bar(spent, longest), duration(spent)) for name, spent in ordered)
    title = f"Time · {duration(sum(seconds.values()))} in {len(seconds)} steps"
    return card(table(title, ("step", "", "time"), rows, class_="counts"))


def _artifacts(report: Fields) -> Html:
    artifacts = mapping(report.get("artifacts"))
    if not artifacts:
        return Html("")
    rows = ((breakable(name), tag("code", str(path))) for name, path in sorted(artifacts.items()))
    return card(
        table("Artifacts in the workspace", ("name", "folder"), rows),
        tag("p", "Each folder has a manifest that names its inputs, settings and hashes.", class_="lead"),
    )


def served(report: Fields) -> Section | None:
    """The question that the served model was asked, and what it answered."""
    fields = mapping(report.get("served"))
    if not fields:
        return None
    answer = (tag("dt", str(fields.get("model", "model"))), tag("dd", str(fields.get("answer", "")), dir="auto"))
    command = tag("code", f"tunesmith why {fields.get('id')}")
    why = tag("p", "Where this answer comes from: ", command, class_="lead") if fields.get("id") else ""
    question = tag("pre", str(fields.get("question", "")), dir="auto")
    body = card(question, tag("dl", tag("div", *answer, class_="target")), why, class_="example")
    return Section("served", "Served", body, "The model that passed answered through the chat completions API.")
