"""Several answers to a prompt and their ranking become preference pairs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal

from tunesmith.core.hashing import hash128
from tunesmith.core.record import message

VERSION = 1

Values = Sequence[float]
NAME = re.compile(r"(?i)\s*A?(\d+)\s*")


def rankings(
    record: Mapping[str, object],
    *,
    answers: str = "answers",
    ranking: str = "ranking",
    text: str = "text",
    best: Literal["highest", "lowest"] | None = None,
    margin: float | None = None,
) -> Iterator[dict[str, object]]:
    """A pair of every two answers of which one is ranked higher; answers that are ranked alike make none.

    `answers` names the field of meta that lists them, as texts or as objects that hold theirs in `text`. `ranking`
    names that of the ranking: a text such as "A2 > A1 = A3", or a number for each answer (a list, or in each object),
    of which the `best` is the highest (ratings) or the lowest (ranks). With `margin`, a pair's margin is this many
    times what lies between its answers: the difference of their numbers, or of their places in the text. The prompt is
    `messages`, or the record's text. All pairs of a prompt share a `group`, so that no split parts them. A ranking that
    leaves an answer out, or names one twice (as every cycle does), is an error.

    >>> record = {"text": "2+2?", "meta": {"answers": ["5", "4", "five"], "ranking": "A2 > A1 = A3"}}
    >>> [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in rankings(record)]
    [('4', '5'), ('4', 'five')]
    """
    meta = _meta(record)
    given = _listed(meta.get(answers), answers)
    texts = [_text(answer, text, f"{answers}[{place}]") for place, answer in enumerate(given)]
    values = _values(given, meta.get(ranking), ranking, best)
    prompt = _prompt(record)
    named = record.get("group")
    shared = {
        "messages": prompt,
        "tools": record.get("tools"),
        "group": hash128([repr(prompt)]).hex() if named is None else named,
        "meta": {name: value for name, value in meta.items() if name not in (answers, ranking)} or None,
    }
    for one, other in combinations(range(len(texts)), 2):
        if values[one] == values[other] or texts[one] == texts[other]:
            continue
        better, worse = (one, other) if values[one] > values[other] else (other, one)
        yield {
            **shared,
            "chosen": [message("assistant", texts[better])],
            "rejected": [message("assistant", texts[worse])],
            "target": texts[better],
            "margin": None if margin is None else margin * (values[better] - values[worse]),
        }


def _meta(record: Mapping[str, object]) -> Mapping[str, object]:
    meta = record.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _listed(given: object, name: str) -> Sequence[object]:
    if not isinstance(given, list | tuple) or len(given) < 2:
        raise ValueError(f"meta has no {name!r} with at least two answers")
    return given


def _text(answer: object, field: str, where: str) -> str:
    found = answer.get(field) if isinstance(answer, Mapping) else answer
    if not isinstance(found, str) or not found.strip():
        raise ValueError(f"{where} has no text" + (f" in {field!r}" if isinstance(answer, Mapping) else ""))
    return found


def _prompt(record: Mapping[str, object]) -> list[dict[str, object]]:
    turns = record.get("messages")
    if not isinstance(turns, list) or not turns:
        asked = record.get("text")
        if not isinstance(asked, str) or not asked.strip():
            raise ValueError("the record has no prompt: neither messages nor a text")
        return [dict(message("user", asked))]
    if turns[-1]["role"] == "assistant":
        raise ValueError("the record's messages end with an answer, and the answers to be ranked would follow it")
    return turns


def _values(answers: Sequence[object], given: object, name: str, best: str | None) -> Values:
    """A number for each answer, higher is better."""
    if isinstance(given, str):
        return _of_text(given, len(answers))
    inside = [one.get(name) if isinstance(one, Mapping) else None for one in answers]
    numbers = inside if given is None and any(one is not None for one in inside) else given
    if not isinstance(numbers, list | tuple) or len(numbers) != len(answers):
        raise ValueError(f"{name!r} is neither a text nor a number for each of the {len(answers)} answers")
    if best is None:
        raise ValueError(f"{name!r} holds numbers, and the maker is not told which is best: highest or lowest")
    for place, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise ValueError(f"{name!r} of answer {place + 1} is {number!r}, not a number")
    return [float(number) if best == "highest" else -float(number) for number in numbers]


def _of_text(ranking: str, count: int) -> Values:
    """The values of answers that a text such as `A2 > A1 = A3` ranks: the last place is 0, each above it one more."""
    places = [[_number(name, ranking) for name in re.split("[=~]", tier)] for tier in ranking.split(">")]
    named = [number for tier in places for number in tier]
    if twice := sorted({number for number in named if named.count(number) > 1}):
        raise ValueError(f"the ranking {ranking!r} names A{twice[0]} twice, so that it is better than itself")
    if (wrong := sorted(set(named) ^ set(range(1, count + 1)))) != []:
        side = "is of no answer" if wrong[0] in named else "is missing"
        raise ValueError(f"the ranking {ranking!r} is not one of {count} answers: A{wrong[0]} {side}")
    found = {number: float(len(places) - 1 - place) for place, tier in enumerate(places) for number in tier}
    return [found[number] for number in range(1, count + 1)]


def _number(name: str, ranking: str) -> int:
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"the ranking {ranking!r} has {name.strip()!r} where an answer such as A1 belongs")
    return int(found[1])
