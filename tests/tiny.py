"""The user code of tiny.yaml: a house style, and the metric that knows it."""

from __future__ import annotations

from collections.abc import Mapping

VERBS = "load save open close read write parse check send build merge split copy move count find sort draw stop start"
IMPERATIVE = {f"{verb}s": verb for verb in VERBS.split()}


def house_normalised(target: str) -> str:
    """An answer in house style: imperative, with a full stop."""
    first, _, rest = target.rstrip(".").partition(" ")
    return f"{IMPERATIVE.get(first.lower(), first.lower()).capitalize()} {rest}."


def house_style(record: Mapping[str, object]) -> str | None:
    """The answer in house style, or None where it already is."""
    wanted = house_normalised(str(record["target"]))
    return None if wanted == record["target"] else wanted


def style(answer: str) -> float:
    """Whether an answer is in house style."""
    return float(bool(answer) and answer.endswith(".") and answer.split()[0] in {v.capitalize() for v in VERBS.split()})
