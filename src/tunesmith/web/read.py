"""Reading a report that may be half there: whatever is missing or of another type reads as empty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from tunesmith.core.numbers import Number


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[object]:
    """The value if it is a list or a tuple, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def mappings(value: object) -> list[Mapping[str, object]]:
    """The mappings in a list."""
    return [item for item in sequence(value) if isinstance(item, Mapping)]


def named(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The names of a mapping, sorted, with the mappings they stand for."""
    pairs = ((str(name), item) for name, item in mapping(value).items() if isinstance(item, Mapping))
    return iter(sorted(pairs, key=lambda pair: pair[0]))


def amount(value: object) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def amounts(value: object) -> dict[str, float]:
    """The entries of a mapping that are finite numbers."""
    pairs = ((str(name), amount(item)) for name, item in mapping(value).items())
    return {name: item for name, item in pairs if item is not None}


def count(value: object) -> int:
    """The value as a number of things; 0 if it is none."""
    return int(amount(value) or 0)


def number(value: object) -> Number:
    """The reported number that stands in a mapping; its value is None where nothing was measured."""
    fields = mapping(value)
    return Number(
        amount(fields.get("value")), count(fields.get("n")), amount(fields.get("low")), amount(fields.get("high"))
    )


def score_key(key: str) -> tuple[str, str, str]:
    """Arm, metric and slice of a key such as `tuned/style@leaked`; the slice is empty where there is none."""
    head, _, part = key.partition("@")
    arm, _, metric = head.rpartition("/")
    return arm, metric, part
