"""What the card of a checkpoint says of its evaluation: numbers beside those of others, the gate, and the limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from tunesmith.core.markdown import table
from tunesmith.core.numbers import Number
from tunesmith.evaluate.score import lower_is_better
from tunesmith.recipe import Recipe

REVIEWED = ("sample_reviewed", "first_reviewed")  # of the checklists: what people judge
VERDICTS = {"passed": "passed", "failed": "refused", "undecidable": "could not decide on"}
Report = Mapping[str, object]
Fields = Mapping[str, object]


def own_numbers(name: str, report: Report) -> dict[str, Number]:
    """The numbers of one model by METRIC or METRIC@SLICE; none without an evaluation."""
    numbers = cast(Mapping[str, dict[str, float | int | None]], report["numbers"])
    own = {key.partition("/")[2]: fields for key, fields in numbers.items() if key.partition("/")[0] == name}
    return {metric: Number.from_json(fields) for metric, fields in sorted(own.items())}


def numbers_told(name: str, recipe: Recipe, report: Report) -> str:
    """Every metric of the model beside the models it was compared with, then the paired differences and the slices."""
    mine = own_numbers(name, report)
    if not mine:
        return "It was not evaluated."
    others = [model for model in _models(recipe) if model != name]
    theirs = {model: own_numbers(model, report) for model in others}
    whole = [metric for metric in mine if "@" not in metric]
    rows = [[metric, _n(mine[metric]), *(_told(of.get(metric)) for of in (mine, *theirs.values()))] for metric in whole]
    slices = [
        [*reversed(metric.split("@", 1)), _n(mine[metric]), _told(mine[metric])] for metric in mine if "@" in metric
    ]
    compared = [
        [one["metric"], one["against"], _told(difference), _n(difference), one["by"], reading(difference)]
        for one in comparisons(name, report)
        if (difference := difference_of(one))
    ]
    parts = [
        table(("metric", "n", name, *others), rows),
        "Values with their 95 % intervals over rows."
        + (" Differences to others, on the same rows:" if compared else ""),
        table(("metric", "against", "difference", "n", "by", "reads"), compared),
        table(("slice", "metric", "n", name), sorted(slices)),
    ]
    return "\n\n".join(part for part in parts if part)


def _models(recipe: Recipe) -> list[str]:
    """Who answered the test rows, in the recipe's order."""
    assert recipe.evaluate is not None
    return list(dict.fromkeys([*recipe.evaluate.candidates, *(arm.label for arm in recipe.evaluate.against)]))


def comparisons(name: str, report: Report) -> list[Fields]:
    """The comparisons of one candidate over all rows: by group where there are groups, else by row."""
    found = [one for one in cast(Sequence[Fields], report.get("comparisons", ())) if one["candidate"] == name]
    by = "group" if any(one["by"] == "group" for one in found) else "row"
    return [one for one in found if one["by"] == by and "@" not in str(one["metric"])]


def difference_of(comparison: Fields) -> Number:
    """The difference of a comparison."""
    return Number.from_json(cast("dict[str, float | int | None]", comparison["difference"]))


def reading(difference: Number) -> str:
    """Which way a difference points, if its interval lets it.

    >>> reading(Number(0.2, 58, 0.1, 0.3)), reading(Number(0.2, 58, -0.1, 0.5)), reading(Number(0.2, 58))
    ('higher', 'undecided', 'no interval')
    """
    if difference.low is None or difference.high is None:
        return "no interval"
    if difference.low <= 0 <= difference.high:
        return "undecided"
    return "higher" if difference.low > 0 else "lower"


def gate_told(name: str, report: Report) -> str:
    """The verdict, and every check with its sentence."""
    verdict = cast(Mapping[str, Fields], report["gate"]).get(name)
    if verdict is None:
        return "No gate has judged it."
    checks = cast(Sequence[Fields], verdict["checks"])
    asked = [[check["metric"], check["rule"], check["state"], check["why"]] for check in checks]
    return f"The gate {VERDICTS[str(verdict['state'])]} it.\n\n" + table(("metric", "rule", "state", "why"), asked)


def limits(name: str, recipe: Recipe, report: Report) -> Iterator[str]:
    """What an evaluation leaves open, and what the run warns of."""
    yield from _limits_of_numbers(name, recipe, report)
    overlap = cast(Mapping[str, int], report.get("overlap", {}))
    if overlap.get("contaminated"):
        yield f"{overlap['contaminated']:,} of {overlap['rows']:,} test rows overlap rows trained on."
    scored = cast(Mapping[str, int | None], report.get("test_set", {})).get("scored")
    if scored and scored > 1:
        yield f"A gate has scored this test set {scored:,} times; the more often, the less a verdict means."
    for item in cast(Sequence[Fields], report["checklist"]):
        if item["check"] in REVIEWED and item["state"] != "done":
            yield f"{item['item']}: {item['state']} ({item['why']})."
        elif item["list"] == "data" and item["state"] == "failed":
            yield f"Of the checklist for data, failed: {item['item']} ({item['why']})."
    of_others = tuple(f"{other}: " for other in cast(Fields, report["training"]) if other != name)
    yield from (one for one in cast(Sequence[str], report["warnings"]) if not one.startswith(of_others))
    if {"--rows", "--steps"} & recipe.changed.keys():
        yield "It comes from a rehearsal, which reads and trains less than its recipe says."


def _limits_of_numbers(name: str, recipe: Recipe, report: Report) -> Iterator[str]:
    mine = own_numbers(name, report)
    if not mine:
        yield "It was not evaluated: nothing is known of how well it does its task."
        return
    undecided: dict[str, list[str]] = {}
    for one in comparisons(name, report):
        if reading(difference_of(one)) == "undecided":
            undecided.setdefault(str(one["against"]), []).append(str(one["metric"]))
    yield from (f"Not told apart from {model} by {', '.join(metrics)}." for model, metrics in undecided.items())
    for metric in recipe.evaluate.metrics if recipe.evaluate else ():
        worst = _worst(metric.label, mine, lower=lower_is_better(metric.function))
        if worst is not None:
            part, number = worst
            yield f"Worst slice by {metric.label}: {part}, {number}, beside {_told(mine[metric.label])} over all rows."


def _worst(metric: str, mine: Mapping[str, Number], *, lower: bool) -> tuple[str, Number] | None:
    """The slice that is farthest on the bad side of the whole; None where none is."""
    measured = {key.partition("@")[2]: number for key, number in mine.items() if key.startswith(f"{metric}@")}
    sign = 1 if lower else -1
    badness = {part: sign * number.value for part, number in measured.items() if number.value is not None}
    worst = max(badness, key=lambda part: badness[part], default=None)
    whole = mine[metric].value
    return None if worst is None or whole is None or badness[worst] <= sign * whole else (worst, measured[worst])


def _told(number: Number | None) -> str:
    """A value with its interval; n stands in a column of its own."""
    return "" if number is None else str(number).rpartition(" (n ")[0]


def _n(number: Number) -> int:
    return number.n
