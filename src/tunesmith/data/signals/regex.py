"""Matches of a pattern."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import re2

from tunesmith.core.errors import UserError

VERSION = 1


def regex(texts: pa.StringArray, *, pattern: str) -> pa.Int32Array:
    r"""Number of places where a pattern matches, without overlaps, in time linear in the text (RE2's syntax).

    `(?i)` at its beginning ignores case; there are no look-arounds or back-references. Raises UserError for a pattern
    that is none.

    >>> regex(pa.array(["see <b>this</b>"]), pattern="<[^>]+>").to_pylist()
    [2]
    >>> regex(pa.array(["Fee, fie, FOE"]), pattern=r"(?i)\bf\w+").to_pylist()
    [3]
    >>> regex(pa.array(["plain", None]), pattern="<[^>]+>").to_pylist()
    [0, None]
    """
    try:
        re2.compile(pattern)
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise UserError(f"regex: {pattern!r} is no pattern: {told}.", "Patterns are RE2's: no look-around.") from None
    return pc.count_substring_regex(texts, pattern)
