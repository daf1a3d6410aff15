"""A bound: the only way anything is decided. Code measures a number; a bound in the recipe says whether it will do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from tunesmith.core.errors import UserError

Value = float | int | str | bool | None
Limit = float | int | str  # a number, or a quantile of this corpus such as "p90"
QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
NOT_MEASURED = "not measured"
SIGNS = {"min": "<", "max": ">", "above": "<=", "below": ">="}  # how a value that fails stands to its limit


@dataclass(frozen=True)
class Bound:
    """Limits on one measured value. `min` and `max` are inclusive, `above` and `below` exclusive.

    >>> Bound(min=20).fault(12)
    '12 < min 20'
    >>> Bound(allow=("en",)).fault("de")
    "'de' not in allow [en]"
    >>> Bound(max=0.5).fault(None)
    'not measured'
    """

    min: Limit | None = None
    max: Limit | None = None
    above: Limit | None = None
    below: Limit | None = None
    allow: tuple[Value, ...] | None = None
    deny: tuple[Value, ...] | None = None
    missing: Literal["drop", "keep"] = "drop"

    @property
    def quantiles(self) -> tuple[str, ...]:
        """The limits that are quantiles of the corpus, such as "p90"."""
        return tuple(limit for name in SIGNS if isinstance(limit := getattr(self, name), str))

    def pinned(self, values: Mapping[str, float]) -> Bound:
        """The bound with each quantile replaced by its number."""

        def number(limit: Limit | None) -> Limit | None:
            return values[limit] if isinstance(limit, str) else limit

        return replace(
            self, min=number(self.min), max=number(self.max), above=number(self.above), below=number(self.below)
        )

    def fault(self, value: Value) -> str | None:
        """Why this value fails, with its number; None if it passes."""
        broken = self.broken(value)
        if broken is None or broken == NOT_MEASURED:
            return broken
        return f"{_short(value) if not isinstance(value, str) else repr(value)} {broken}"

    def broken(self, value: Value) -> str | None:
        """The limit that this value breaks, such as "< min 20"; None if it passes."""
        if value is None or value != value:  # NaN is not measured either
            return None if self.missing == "keep" else NOT_MEASURED
        if self.allow is not None and value not in self.allow:
            return f"not in allow [{', '.join(map(str, self.allow))}]"
        if self.deny is not None and value in self.deny:
            return f"in deny [{', '.join(map(str, self.deny))}]"
        for name, sign in SIGNS.items():
            limit = getattr(self, name)
            if limit is not None and _fails(name, value, limit):
                return f"{sign} {name} {_short(limit)}"
        return None

    def as_json(self) -> dict[str, object]:
        """The limits that are set, as they would stand in a recipe."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
            if value is not None and (name, value) != ("missing", "drop")
        }

    def __str__(self) -> str:
        return ", ".join(
            f"{name} [{', '.join(map(str, value))}]" if isinstance(value, list) else f"{name} {_short(value)}"
            for name, value in self.as_json().items()
        )


def _fails(name: str, value: Value, limit: Limit) -> bool:
    if isinstance(limit, str):
        raise ValueError(f"quantile {limit} was not pinned before deciding")
    if isinstance(value, str) or value is None:
        raise UserError(
            f"a bound '{name} {limit}' was set on {value!r}, which is text.", "Use allow: or deny: for text values."
        )
    if name == "min":
        return value < limit
    if name == "max":
        return value > limit
    return value <= limit if name == "above" else value >= limit


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def parse_bound(given: object, where: str) -> Bound:
    """The bound written in a recipe at `where`; raises UserError naming what is wrong with it."""
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: a bound is a mapping, not {given!r}.", "For example {min: 20} or {allow: [en, de]}.")
    names = {field.name for field in fields(Bound)}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise UserError(f"{where}: no bound is called {unknown[0]!r}.", f"Bounds: {', '.join(sorted(names))}.")
    if not set(given) - {"missing"}:
        raise UserError(
            f"{where}: this bound sets no limit.", "Give at least one of min, max, above, below, allow, deny."
        )
    values = {name: _parse_limit(name, value, where) for name, value in given.items()}
    return Bound(**values)  # type: ignore[arg-type]  # each value was checked against its field above


def _parse_limit(name: str, value: object, where: str) -> object:
    if name in ("allow", "deny"):
        return _parse_list(name, value, where)
    if name == "missing":
        if value not in ("drop", "keep"):
            raise UserError(
                f"{where}: missing: {value!r} is neither drop nor keep.", "Write missing: keep or leave it out."
            )
        return value
    if isinstance(value, str) and QUANTILE.fullmatch(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise UserError(
            f"{where}: {name}: {value!r} is neither a number nor a quantile.",
            "Write a number, or p90 for the 90th percentile.",
        )
    return value


def _parse_list(name: str, value: object, where: str) -> tuple[Value, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise UserError(f"{where}: {name}: {value!r} is not a list.", f"Write {name}: [{value}].")
    return tuple(value)
