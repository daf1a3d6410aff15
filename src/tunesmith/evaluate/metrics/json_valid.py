"""Whether answers can be read by a program that expects JSON."""

from __future__ import annotations

import orjson

VERSION = 1


def json_valid(answer: str) -> float:
    """Whether the answer is JSON (RFC 8259) and nothing else, right or wrong: no prose around it, no NaN.

    >>> json_valid('{"intent": "play"}'), json_valid('Sure: {"intent": "play"}'), json_valid("")
    (1.0, 0.0, 0.0)
    """
    try:
        orjson.loads(answer)
    except orjson.JSONDecodeError:
        return 0.0
    return 1.0
