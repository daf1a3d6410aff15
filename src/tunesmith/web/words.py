"""Numbers and names as people read them; shared by the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tunesmith.core.numbers import Number
from tunesmith.web.read import amount, amounts, count

VERDICTS = {"passed": "Passed", "failed": "Refused", "undecidable": "Undecided", "waiting": "Waiting"}
STATES = {  # of a run: how it is called, and the verdict that its colour is like
    "served": ("Served", "passed"),
    "refused": ("Refused by the gate", "failed"),
    "passed": ("Passed the gate", "passed"),
    "done": ("Done", "passed"),
    "waiting": ("Waiting for people", "waiting"),
    "failed": ("Failed half-way", "failed"),
}
RULES = {"min": "at least", "max": "at most", "above": "above", "below": "below"}


def grouped(value: float) -> str:
    """A count with its thousands set apart."""
    return f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """A part as a percentage of the whole, `12.0 %`; empty if there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def digits(values: Iterable[float | None]) -> int:
    """How many decimals a column of numbers needs: three below ten, fewer above."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 3 if largest < 10 else 2 if largest < 100 else 1 if largest < 1000 else 0


def decimal(value: float | None, places: int | None = None) -> str:
    """A number with the same decimals as its column, and a true minus sign."""
    if value is None:
        return "not measured"
    return f"{value:,.{digits([value]) if places is None else places}f}".replace("-", "−")


def interval(number: Number, places: int) -> str:
    """The limits of the 95 % interval, `[0.970, 0.990]`, or that there are none."""
    if number.low is None or number.high is None:
        return "no interval"
    return f"[{decimal(number.low, places)}, {decimal(number.high, places)}]"


def plain(value: object) -> str:
    """A setting as it would be written in a recipe."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as `8.4 s`, `2 min 05 s` or `3 h 12 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def dropped(counts: Mapping[str, object]) -> int:
    """How many records were dropped, for all reasons together."""
    given = counts.get("dropped")
    return count(given) if amount(given) is not None else round(sum(amounts(given).values()))


def missing(counts: Mapping[str, object]) -> int:
    """Records that nothing accounts for: in + made − kept − dropped − quarantined, which should be 0."""
    came = count(counts.get("in")) + count(counts.get("made"))
    return came - count(counts.get("kept")) - dropped(counts) - count(counts.get("quarantined"))


def balance(counts: Mapping[str, object]) -> str:
    """Where all records went, as a sentence that adds up."""
    made = f" + {grouped(count(counts.get('made')))} made" if count(counts.get("made")) else ""
    set_aside = count(counts.get("quarantined"))
    quarantined = f" + {grouped(set_aside)} quarantined" if set_aside else ""
    kept = f"{grouped(count(counts.get('kept')))} kept + {grouped(dropped(counts))} dropped{quarantined}"
    return f"{grouped(count(counts.get('in')))} in{made} = {kept}"


def rule(check: Mapping[str, object]) -> str:
    """What a check of the gate asks for, such as `at least 0.95` or `better than before`."""
    name, bound = str(check.get("rule", "")), amount(check.get("bound"))
    other = check.get("against") or "the strongest arm"
    if name == "gain":
        more = f" by more than {decimal(bound)}" if bound else ""
        return f"better than {other}{more}"
    if name == "non_inferior":
        return f"not worse than {other} by more than {decimal(abs(bound or 0.0))}"
    return f"{RULES.get(name, name)} {'' if bound is None else plain(bound)}".strip()
