"""Only the lines that C4 keeps."""

from __future__ import annotations

import re

VERSION = 1

CITATION = re.compile(r"(?: *\[[0-9]*\])+$")
ENDS = (".", "?", "!", '"', "'")
WORDS, LONGEST = 3, 1000
PHRASES = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def c4_lines(text: str) -> str:
    r"""The lines of a text that C4 keeps: sentences, not menus, notices or code; citations such as [1] are taken off.

    A line stays if it has at least three words, none longer than 1,000 characters, ends with . ! ? or a quotation mark
    but not with an ellipsis, and speaks neither of javascript nor of cookies, terms of use or a privacy policy (Raffel
    et al. 2020, arXiv 1910.10683, section 2.2, and their code). The signal of the same name counts what is left.

    >>> c4_lines("Home | About\nIt rained all day.[2]\nWe use cookies to serve you better.\nAnd then ...")
    'It rained all day.'
    """
    lines = (CITATION.sub("", line.strip()) for line in text.split("\n"))
    return "\n".join(line for line in lines if _stays(line))


def _stays(line: str) -> bool:
    words = line.split()
    small = line.casefold()
    return (
        line.endswith(ENDS)
        and not line.endswith("...")
        and len(words) >= WORDS
        and max(map(len, words)) <= LONGEST
        and not any(phrase in small for phrase in PHRASES)
    )
