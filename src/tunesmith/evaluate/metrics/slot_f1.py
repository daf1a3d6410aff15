"""F1 of the slots in answers that are JSON calls, counted over all rows together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import orjson

VERSION = 1


def slot_f1(answers: Sequence[str], targets: Sequence[str], *, key: str = "slots") -> float | None:
    """Micro F1 of the slots (name and value, both equal) in JSON answers: hits, misses and extras of all rows together.

    `key` holds an object of names, each with a value or a list of values. As conlleval (CoNLL-2000) counts, a slot is
    right if all of it is; but JSON says no positions, so a row's slots are a bag: two equal ones count twice, and a
    value found at another place of the sentence counts as found. An answer that is no JSON object has no slots. None
    if there is no slot at all. As one number for all rows, its interval leaves out blocks of rows (jackknife).

    >>> target = '{"slots": {"artist": ["miles davis"], "year": ["1959"]}}'
    >>> slot_f1(['{"slots": {"artist": ["miles"], "year": ["1959"]}}', "so what"], [target, '{"slots": {}}'])
    0.5
    """
    right = given = expected = 0
    for answer, target in zip(answers, targets, strict=True):
        ours, theirs = Counter(_slots(answer, key)), Counter(_slots(target, key))
        right, given, expected = right + (ours & theirs).total(), given + ours.total(), expected + theirs.total()
    return 2 * right / (given + expected) if given + expected else None


def _slots(text: str, key: str) -> Iterator[tuple[str, bytes]]:
    try:
        call = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    slots = call.get(key) if isinstance(call, Mapping) else None
    for name, values in slots.items() if isinstance(slots, Mapping) else ():
        for value in values if isinstance(values, list) else [values]:
            yield name, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
