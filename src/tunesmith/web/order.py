"""In which order things are shown: told by what they are, since the keys of report.json are sorted by name."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.web.read import amounts, count, mapping, mappings, named, score_key

Fields = Mapping[str, object]
ROLES = ("candidate", "trained", "base", "arm")
PARTS = ("train", "validation", "test")
STATES = ("passed", "undecidable", "failed")


def candidates(report: Fields) -> list[tuple[str, Fields]]:
    """The candidates with their verdicts, those that passed first."""
    return sorted(named(report.get("gate")), key=lambda item: (_place(STATES, item[1].get("state")), item[0]))


def arms(report: Fields) -> list[str]:
    """All arms that have a number: candidates, then trained models, then the others."""
    roles, ranked = mapping(report.get("arms")), [name for name, _ in candidates(report)]
    found = {score_key(str(key))[0] for key in mapping(report.get("numbers"))}
    return sorted(found, key=lambda arm: (_place(ROLES, roles.get(arm)), _place(ranked, arm), arm))


def metrics(report: Fields) -> list[str]:
    """All metrics that have a number, in the order the recipe compares or bounds them."""
    checks = [check for _, fields in candidates(report) for check in mappings(fields.get("checks"))]
    told = [str(each.get("metric")) for each in [*mappings(report.get("comparisons")), *checks]]
    found = sorted({score_key(str(key))[1] for key in mapping(report.get("numbers"))})
    return [*(name for name in dict.fromkeys(told) if name in found), *(name for name in found if name not in told)]


def lists(report: Fields) -> dict[str, Fields]:
    """The lists of data that had any record, each after the list it is fed from; without lists, the run as one."""
    given = dict(named(report.get("lists"))) or {str(report.get("run", "")): mapping(report.get("records"))}
    ordered = sorted(given, key=lambda name: (_depth(given, name), name))
    return {name: given[name] for name in ordered if count(given[name].get("in")) + count(given[name].get("made"))}


def parts(fields: Fields) -> dict[str, float]:
    """The parts of a list: train, validation, test, then any others."""
    return dict(sorted(amounts(fields.get("parts")).items(), key=lambda item: (_place(PARTS, item[0]), item[0])))


def by_count(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Names with their counts, the largest first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _place(order: tuple[str, ...] | list[str], name: object) -> int:
    return order.index(str(name)) if name in order else len(order)


def _depth(given: Mapping[str, Fields], name: str) -> int:
    """How many lists lie before this one; a circle, which no recipe allows, ends the count."""
    seen = [name]
    while (above := str(given[seen[-1]].get("fed_from"))) in given and above not in seen:
        seen.append(above)
    return len(seen)
