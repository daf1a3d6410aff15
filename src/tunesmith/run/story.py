"""The run in plain words: a few sentences, each with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from tunesmith.evaluate.score import lower_is_better
from tunesmith.recipe import Recipe

Fields = Mapping[str, object]


def tell(recipe: Recipe, report: Fields, serving: str | None) -> list[str]:
    """The sentences of a run's story, first things first."""
    return [
        *_data(report),
        *_training(report),
        *_overlap(report),
        *_gate(report),
        *_stronger(recipe, report),
        *_end(recipe, serving),
        *_open(report),
    ]


def _data(report: Fields) -> Iterator[str]:
    for name, counts in cast(Mapping[str, Fields], report["lists"]).items():
        dropped = sum(cast(Mapping[str, int], counts["dropped"]).values())
        source = f"from {counts['fed_from']}" if counts["fed_from"] else "read"
        made = f", {counts['made']:,} made" if counts["made"] else ""
        gone = f"{dropped:,} dropped with a reason, {counts['quarantined']:,} quarantined"
        yield f"{name}: {counts['in']:,} records {source}{made}, {gone}, {counts['kept']:,} kept."


def _training(report: Fields) -> Iterator[str]:
    trained = cast(Mapping[str, Fields], report["training"])
    if not trained:
        return
    steps = ", ".join(f"{name} ({facts['kind']}, {facts['steps']:,} steps)" for name, facts in trained.items())
    sizes = sorted({f"{facts['parameters']:,}" for facts in trained.values()}, key=len)
    yield f"Trained on a model of {' or '.join(sizes)} parameters: {steps}."


def _overlap(report: Fields) -> Iterator[str]:
    """Whether what is scored was seen in training; then every score has its clean part beside it."""
    found = cast(Fields, report.get("overlap") or {})
    if not found:
        return
    hit, rows = cast(int, found["contaminated"]), cast(int, found["rows"])
    beside = " Every score is shown on the clean part too (@clean)." if hit else ""
    yield f"{hit:,} of {rows:,} test rows overlap rows trained on (overlap beyond {found['bound']}).{beside}"


def _gate(report: Fields) -> Iterator[str]:
    for name, verdict in cast(Mapping[str, Fields], report["gate"]).items():
        checks = cast("list[Fields]", verdict["checks"])
        against = [str(check["why"]) for check in checks if check["state"] != "passed"]
        if verdict["state"] == "passed":
            yield f"The gate passed {name}: all {len(checks)} checks hold. {' '.join(str(c['why']) for c in checks)}"
        elif verdict["state"] == "failed":
            yield f"The gate refused {name}. {' '.join(against)}"
        else:
            yield f"The gate could not decide on {name}, so it is not served. {' '.join(against)}"


def _stronger(recipe: Recipe, report: Fields) -> Iterator[str]:
    """The arms that are better than a candidate that passed, whatever they are: they are not to be overlooked."""
    gate = cast(Mapping[str, Fields], report["gate"])
    lower = {
        metric.label
        for metric in (recipe.evaluate.metrics if recipe.evaluate else ())
        if lower_is_better(metric.function)
    }
    for found in cast("list[Fields]", report.get("comparisons", [])):
        passed = gate.get(str(found["candidate"]), {}).get("state") == "passed"
        difference = cast(Mapping[str, float | None], found["difference"])
        sign = -1 if found["metric"] in lower else 1
        best = difference["low" if found["metric"] in lower else "high"]
        if (
            passed
            and found["by"] == "row"
            and best is not None
            and sign * best < 0
            and found["metric"] in _judged(gate)
        ):
            told = f"{abs(cast(float, difference['value'])):.3f} {'less' if found['metric'] in lower else 'more'}"
            yield f"{found['against']} has {told} {found['metric']} than {found['candidate']} on the same rows."


def _judged(gate: Mapping[str, Fields]) -> set[object]:
    """The metrics whose gain or loss the gate looks at."""
    checks = [check for verdict in gate.values() for check in cast("list[Fields]", verdict["checks"])]
    return {check["metric"] for check in checks if check["rule"] in ("gain", "non_inferior")}


def _end(recipe: Recipe, serving: str | None) -> Iterator[str]:
    if recipe.serve is None:
        return
    if serving is not None:
        yield f"{serving} may be served."
    else:
        yield "No candidate passed the gate, so nothing is served. That is a result, not a failure."


def _open(report: Fields) -> Iterator[str]:
    items = cast("list[Fields]", report["checklist"])
    states = [item["state"] for item in items]
    waived = f", {states.count('waived')} waived in writing" if "waived" in states else ""
    unmeasured = states.count("not yet measured")
    yield (
        f"Checklist: {states.count('done')} of {len(items)} items done, {states.count('failed')} failed{waived}, "
        f"{unmeasured} not yet measured."
    )
