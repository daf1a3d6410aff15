"""Where the kept records come from and under which licences; what the run cost and what it left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tunesmith.web.draw import stacked
from tunesmith.web.html import Html, breakable, folded, table, tag
from tunesmith.web.order import by_count, lists
from tunesmith.web.page import Section, card
from tunesmith.web.read import amount, amounts, count, mapping
from tunesmith.web.words import duration, grouped, share

SHOWN = 8
TITLES = {"sources": ("Sources", "source"), "licenses": ("Licences", "licence")}
DISTINCT = ("distinct_2", "distinct pairs of words in a sample")
BY = {"source": "Sources", "domain": "Domains", "language": "Languages"}
Fields = Mapping[str, object]


def origins(report: Fields) -> Section | None:
    """Sources, domains, languages and licences of each list, and how varied it is."""
    several = len(lists(report)) > 1
    cards = [
        each for name, fields in lists(report).items() for each in _cards(fields, f" of {name}" if several else "")
    ]
    return Section("origins", "Sources and licences", tag("div", *cards, class_="pile")) if cards else None


def _cards(fields: Fields, of: str) -> Iterator[Html]:
    tables = {key: mapping(value) for key, value in mapping(fields.get("by")).items()}
    for key, title in BY.items():
        if tables.get(key) and list(tables[key]) != ["unknown"]:
            yield _came_and_went(f"{title}{of}", key, tables[key])
    for key, (title, one) in TITLES.items():
        if amounts(fields.get(key)) and not (key == "sources" and tables.get("source")):
            yield counted(f"{title}{of}", one, amounts(fields.get(key)))
    varied = _diversity(mapping(fields.get("diversity")))
    if varied:
        yield card(table(f"Diversity{of}", ("measure", "value"), varied, class_="counts"))


def _came_and_went(title: str, one: str, counts: Fields) -> Html:
    """A card of names with what came and what was kept of each, the long tail folded away."""
    pairs = [(name, count(mapping(each).get("in")), count(mapping(each).get("kept"))) for name, each in counts.items()]
    bars = [stacked([("kept", kept), ("dropped", came - kept)], came) for _, came, kept in pairs]
    rows = [
        (breakable(name), bar, grouped(came), grouped(kept), share(kept, came))
        for (name, came, kept), bar in zip(pairs, bars, strict=True)
    ]
    header = (one, "", "in", "kept", "share")
    rest = table(f"{title}, continued", header, rows[SHOWN:], class_="counts")
    more = folded(f"{len(rows) - SHOWN} more", rest) if rows[SHOWN:] else ""
    return card(table(title, header, rows[:SHOWN], class_="counts"), more)


def _diversity(fields: Fields) -> list[tuple[str, str]]:
    """Entropies in bits, and the share of word pairs that are different, where they were measured."""
    told = []
    for key, title in (*((f"{key}_entropy", f"entropy over {key}s, bits") for key in BY), DISTINCT):
        value = amount(fields.get(key))
        if value is not None and (value or key == "distinct_2"):
            told.append((title, f"{value:.3f}"))
    return told


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
    """Seconds by step and by operator, and the artifacts by name."""
    of = lists(report)
    work = [_operators(name, amounts(fields.get("operators"))) for name, fields in of.items()]
    cards = [part for part in (_seconds(report), *work, _artifacts(report)) if part]
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


def _operators(name: str, seconds: Mapping[str, float]) -> Html:
    """What reading, each operator and writing took, the slowest named with its share."""
    whole = sum(seconds.values())
    if not whole:
        return Html("")
    ordered = by_count(seconds)
    slowest, most = ordered[0]
    rows = [(breakable(one), _bar(spent, most), duration(spent), share(spent, whole)) for one, spent in ordered[:SHOWN]]
    title = f"Work on {name} · {duration(whole)} of all workers; slowest: {slowest}, {share(most, whole)}"
    return card(table(title, ("operator", "", "time", "share"), rows, class_="counts"))


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
