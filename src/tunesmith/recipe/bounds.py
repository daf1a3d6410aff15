"""keep: and weigh: of a step: the bounds on what it measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import cast

from tunesmith.core.bound import Bound, parse_bound
from tunesmith.core.registry import Named, near
from tunesmith.recipe.fields import Found, take
from tunesmith.recipe.grammar import StepKind
from tunesmith.recipe.yaml import At

LIMITS = frozenset(field.name for field in fields(Bound))


def parse_keep(
    at: At, kind: StepKind, named: Named, parameters: Mapping[str, object], found: Found
) -> dict[str, Bound]:
    """The bounds that say which rows stay, by what is measured ("" for a signal's one number)."""
    keep = take(at, "keep")
    if keep is None:
        return default_keep(named, parameters) if kind == "pass" else {}
    if kind not in ("signal", "pass"):
        found.error(
            f"{keep}: {named.name} measures nothing, so there is nothing to bound.", "Put keep: on a signal or a pass."
        )
        return {}
    return _bounds(keep, named, kind, found)


def check_bound(at: At, found: Found) -> None:
    """Check the plain bound of a step whose function is not known, so that its mistakes are not told a run later."""
    keep = take(at, "keep")
    if keep is not None and isinstance(keep.value, Mapping) and set(keep.value) <= LIMITS:
        found.attempt(lambda: parse_bound(keep.plain, str(keep)), default=Bound())


def default_keep(named: Named, parameters: Mapping[str, object]) -> dict[str, Bound]:
    """The bounds that a pass comes with: its module's KEEP, or what its `keep` makes of the parameters."""
    module = named.module()
    given = module.keep(**parameters) if hasattr(module, "keep") else getattr(module, "KEEP", {})
    return {name: parse_bound(bound, f"{named.name}.KEEP") for name, bound in given.items()}


def _bounds(at: At, named: Named, kind: str, found: Found) -> dict[str, Bound]:
    if not isinstance(at.value, Mapping):
        found.error(f"{at}: {at.plain!r} is not a bound.", "For example {min: 20} or {allow: [en, de]}.")
        return {}
    limits = {name: limit for name, limit in cast(Mapping[str, object], at.plain).items() if name in LIMITS}
    bounds = {}
    if kind == "signal" and (limits or not at.value):
        if gives_mapping(named) and "" not in measured(named):
            example = next(iter(measured(named)), "NAME")
            hint = f"Name one of them: keep: {{{example}: {{...}}}}."
            found.error(f"{at}: {named.name} measures several things by name, and this bound names none.", hint)
        bounds[""] = found.attempt(lambda: parse_bound(limits, str(at)), default=Bound())
    for name, item in at.items():
        if "" in bounds and name in limits:
            continue
        if not isinstance(item.value, Mapping) or not _measures(named, name, kind):
            found.error(f"{item}: {named.name} does not measure {name!r}.", _measured_hint(named, name))
            continue
        bounds[name] = found.attempt(lambda item=item: parse_bound(item.plain, str(item)), default=Bound())  # type: ignore[misc]  # bound at once
    return bounds


def _measures(named: Named, name: str, kind: str) -> bool:
    known = measured(named)
    return name in known if known else kind == "signal" and gives_mapping(named)


def measured(named: Named) -> list[str]:
    """What a pass or a signal says that it measures: its module's MEASURES."""
    return list(getattr(named.module(), "MEASURES", ()))


def gives_mapping(named: Named) -> bool:
    """Whether a signal says that it returns one value for each of several names."""
    given = str(named.load().__annotations__.get("return", ""))
    return "dict" in given or "Mapping" in given


def _measured_hint(named: Named, name: str) -> str:
    known = measured(named)
    if not known and (meant := get_close_matches(name, sorted(LIMITS), n=1)):
        return f"Did you mean {meant[0]!r}?"
    return near(name, known) if known else f"Bounds are {', '.join(sorted(LIMITS))}; for example keep: {{min: 20}}."


def parse_weigh(at: At, kind: StepKind, found: Found) -> dict[str, tuple[Bound, float]]:
    """The bound on the rows that are weighed, and their weight."""
    weigh = take(at, "weigh")
    if weigh is None:
        return {}
    if kind != "signal":
        found.error(f"{weigh}: a {kind} has no number to weigh rows by.", "Put weigh: on a signal.")
        return {}
    given = dict(cast(Mapping[str, object], weigh.plain)) if isinstance(weigh.value, Mapping) else {}
    weight = given.pop("weight", None)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        found.error(f"{weigh}: weigh: needs weight:, zero or more.", "For example {above: 0.5, weight: 0.2}.")
        return {}
    return {"": (found.attempt(lambda: parse_bound(given, str(weigh)), default=Bound()), float(weight))}
