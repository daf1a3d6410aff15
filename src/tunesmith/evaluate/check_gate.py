"""What can be wrong with the gate of a recipe, found before any work starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.evaluate.gate import RULES

EXAMPLE = "For example {min: 0.9, gain: {above: 0, to: base}} or {non_inferior: 0.01}."


def check_gate(
    gate: object, metrics: Sequence[str], arms: Sequence[str], *, where: str = "evaluate.gate"
) -> list[UserError]:
    """Every mistake in a gate: `metrics` are the labels it may bound, `arms` the models it may compare with."""
    if not isinstance(gate, Mapping):
        return [UserError(f"{where}: a gate maps metrics to bounds, not {gate!r}.", EXAMPLE)]
    return [
        mistake
        for metric, rules in gate.items()
        for mistake in (*_metric(str(metric), metrics, where), *_rules(rules, arms, f"{where}.{metric}"))
    ]


def _metric(metric: str, metrics: Sequence[str], where: str) -> Iterator[UserError]:
    if metric.partition("@")[0] not in metrics:
        yield UserError(f"{where}: {metric!r} is not among the metrics.", near(metric, list(metrics)))


def _rules(rules: object, arms: Sequence[str], where: str) -> Iterator[UserError]:
    if not isinstance(rules, Mapping):
        yield UserError(f"{where}: bounds are a mapping, not {rules!r}.", EXAMPLE)
        return
    for rule, value in rules.items():
        if rule == "gain" and isinstance(value, Mapping):
            yield from _gain(value, arms, f"{where}.gain")
        elif rule == "gain":
            yield UserError(f"{where}.gain: {value!r} is not a mapping.", "Write gain: {above: 0.05, to: base}.")
        elif rule in RULES:
            yield from _number(value, f"{where}.{rule}", least=0 if rule == "non_inferior" else None)
        elif rule == "to":
            yield from _arm(value, arms, f"{where}.to")
        else:
            yield UserError(f"{where}: no rule is called {rule!r}.", near(str(rule), [*RULES, "to"]))
    yield from _together(rules, arms, where)


def _together(rules: Mapping[object, object], arms: Sequence[str], where: str) -> Iterator[UserError]:
    """What only shows when the rules of a metric are seen together."""
    relative = {"gain", "non_inferior"} & set(rules)
    if not set(rules) & set(RULES):
        yield UserError(f"{where}: this gate sets no bound.", EXAMPLE)
    elif "to" in rules and not relative:
        yield UserError(f"{where}.to: there is nothing to compare.", "Give gain or non_inferior beside it.")
    elif relative and not arms:
        yield UserError(
            f"{where}: there is no model to compare with.", "Name one under evaluate.against, for example base."
        )


def _gain(gain: Mapping[object, object], arms: Sequence[str], where: str) -> Iterator[UserError]:
    unknown = [name for name in gain if name not in ("above", "to")]
    if unknown:
        yield UserError(f"{where}: {unknown[0]!r} is not known here.", near(str(unknown[0]), ["above", "to"]))
    if "above" not in gain:
        yield UserError(f"{where}: how much better is missing.", "Write gain: {above: 0.05}; 0 asks for any gain.")
    else:
        yield from _number(gain["above"], f"{where}.above")
    if "to" in gain:
        yield from _arm(gain["to"], arms, f"{where}.to")


def _number(value: object, where: str, *, least: float | None = None) -> Iterator[UserError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield UserError(f"{where}: {value!r} is not a number.", "Write a number without quotes.")
    elif least is not None and value < least:
        yield UserError(f"{where}: {value} is below {least:g}.", "The margin is how much worse is still accepted.")


def _arm(arm: object, arms: Sequence[str], where: str) -> Iterator[UserError]:
    if arm not in arms:
        hint = near(str(arm), list(arms)) if arms else "Name it under evaluate.against."
        yield UserError(f"{where}: {arm!r} is not among the models to compare with.", hint)
