"""The deploy gate: bounds of the recipe against numbers and paired differences, with each verdict in words.

`min` and `max` look at the value. `gain: {above: d}` asks that the candidate is better than another model by more
than d, and `non_inferior: m` that it is not worse by m or more: both look at the near limit of the 95 % interval of
the paired difference. Failed means that the evidence speaks against the candidate, undecidable that it does not
suffice. Only a candidate that passed every check may be served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, cast

from tunesmith.core.numbers import Number
from tunesmith.evaluate.compare import By, Comparison

State = Literal["passed", "failed", "undecidable"]
Rules = Mapping[str, object]  # min, max, gain, non_inferior, to
RULES = ("min", "max", "gain", "non_inferior")


@dataclass(frozen=True)
class Check:
    """One rule on one metric of one candidate: what was measured, what was asked, and what follows."""

    metric: str
    rule: str
    bound: float
    state: State
    why: str  # a sentence
    value: float | None = None  # of the candidate, or for gain and non_inferior its difference to `against`
    low: float | None = None
    high: float | None = None
    against: str | None = None
    by: By | None = None
    lower_is_better: bool = False

    def as_json(self) -> dict[str, object]:
        """The check as it stands in report.json; that lower is better is said only where it is."""
        return {name: value for name, value in asdict(self).items() if name != "lower_is_better" or value}


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one candidate."""

    state: State
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, object]:
        """The verdict as it stands in report.json."""
        return {"state": self.state, "checks": [check.as_json() for check in self.checks]}


def decide(
    candidate: str,
    gate: Mapping[str, Rules],
    *,
    numbers: Mapping[str, Number],
    comparisons: Sequence[Comparison],
    lower_is_better: frozenset[str] = frozenset(),
) -> Verdict:
    """Put one candidate before the gate: passed if every check passed, failed if any failed, else undecidable.

    `gate` maps METRIC or METRIC@SLICE to rules as they stand in the recipe. A difference is judged by group where
    there is one, and against the strongest other model unless `to` names one; `lower_is_better` names metrics.
    """
    mine = [one for one in comparisons if one.candidate == candidate]
    checks = tuple(
        check
        for metric, rules in gate.items()
        for check in _checks(candidate, metric, rules, numbers, mine, metric.partition("@")[0] in lower_is_better)
    )
    return Verdict(_overall([check.state for check in checks]), checks)


def _overall(states: Sequence[State]) -> State:
    if "failed" in states:
        return "failed"
    return "undecidable" if "undecidable" in states else "passed"


def _checks(
    candidate: str,
    metric: str,
    rules: Rules,
    numbers: Mapping[str, Number],
    mine: Sequence[Comparison],
    lower: bool,
) -> Iterator[Check]:
    number = numbers.get(f"{candidate}/{metric}", Number(None, 0))
    for rule in ("min", "max"):
        if rule in rules:
            yield _limit(metric, rule, _float(rules[rule]), number)
    for rule in ("gain", "non_inferior"):
        if rule in rules:
            given = rules[rule]
            inner = cast("Rules", given) if isinstance(given, Mapping) else {"above": given}
            bound = _float(inner["above"])
            to = cast("str | None", inner.get("to", rules.get("to")))
            check = Check(metric, rule, bound, "undecidable", "", lower_is_better=lower)
            yield _relative(check, to, numbers, mine, lower)


def _limit(metric: str, rule: str, bound: float, number: Number) -> Check:
    """Compare the value with a min or a max."""
    check = Check(
        metric, rule, bound, "undecidable", f"{metric} was not measured.", number.value, number.low, number.high
    )
    if number.value is None:
        return check
    passed = number.value >= bound if rule == "min" else number.value <= bound
    side = "at least" if rule == "min" else "at most"
    # a value that misses its bound by less than is shown would read as if it met it
    value = repr(number.value) if not passed and say(number.value) == say(bound) else say(number.value)
    why = f"{metric} is {value}; it has to be {side} {say(bound)}."
    return replace(check, state="passed" if passed else "failed", why=why)


def _relative(
    check: Check, to: str | None, numbers: Mapping[str, Number], mine: Sequence[Comparison], lower: bool
) -> Check:
    """Compare the near limit of a paired difference with the gain asked for or the loss allowed."""
    found = _comparison(check.metric, to, numbers, mine, lower)
    if found is None:
        return replace(check, against=to, why=f"{check.metric} was not compared with {to or 'any other model'}.")
    difference = found.difference
    check = replace(check, against=found.against, by=found.by, value=difference.value, low=difference.low,
                    high=difference.high)  # fmt: skip
    if difference.value is None or difference.low is None or difference.high is None:
        why = f"{check.metric} has no interval against {found.against} with {difference.n:,} rows."
        return replace(check, why=why)
    worst, best = (-difference.high, -difference.low) if lower else (difference.low, difference.high)
    asked = check.bound if check.rule == "gain" else -check.bound
    state: State = "passed" if worst > asked else "failed" if best <= asked else "undecidable"
    return replace(check, state=state, why=_sentence(check, state, lower))


def _comparison(
    metric: str, to: str | None, numbers: Mapping[str, Number], mine: Sequence[Comparison], lower: bool
) -> Comparison | None:
    """The comparison to judge by: with `to`, or the strongest other model; by group where there is one."""
    found = [one for one in mine if one.metric == metric and to in (None, one.against)]

    def rank(one: Comparison) -> tuple[float, bool]:
        value = numbers.get(f"{one.against}/{metric}", Number(None, 0)).value
        strength = float("-inf") if value is None else -value if lower else value
        return strength, one.by == "group"

    return max(found, key=rank, default=None)


def _sentence(check: Check, state: State, lower: bool) -> str:
    value, low, high = (cast("float", number) for number in (check.value, check.low, check.high))
    direction = "higher" if value >= 0 else "lower"
    measured = (
        f"{check.metric} is {say(abs(value))} {direction} than that of {check.against} "
        f"(95 % interval by {check.by} {say(low)} to {say(high)}{', lower is better' if lower else ''})"
    )
    if check.rule == "gain":
        asked = f"a gain above {say(check.bound)}"
        follows = {"passed": "shows", "failed": "rules out", "undecidable": "leaves open whether there is"}
    else:
        asked = f"a loss of {say(check.bound)} or more"
        follows = {"passed": "rules out", "failed": "shows", "undecidable": "does not rule out"}
    return f"{measured}: the interval {follows[state]} {asked}."


def say(number: float) -> str:
    """A number with up to four decimals.

    >>> say(0.95), say(0.94961), say(100), say(-0.00001)
    ('0.95', '0.9496', '100', '0')
    """
    return f"{round(number, 4) + 0.0:.4f}".rstrip("0").rstrip(".")


def _float(value: object) -> float:
    return float(cast("float", value))
