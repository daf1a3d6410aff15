"""Lines that a page carries beside its text are taken out: menus, consent and copyright notices, share buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol

import re2
from ruamel.yaml import YAML

from tunesmith.core.errors import UserError

VERSION = 1

Kind = Literal["navigation", "consent", "sharing", "copyright", "separators"]
KINDS: tuple[Kind, ...] = ("navigation", "consent", "sharing", "copyright", "separators")
LANGUAGES = ("de", "en", "es", "fr")
LONGEST = 240  # characters: a longer line is a paragraph
MENU = 3  # entries that make a menu
BETWEEN = re.compile(r"\s*[|>»›·•/]\s*|\s+[-–]\s+|\s{2,}")
RULE = re.compile(r"(?:[-=_*~#+.—–─━•·]\s?){3,}")  # a line drawn with signs


class _Pattern(Protocol):
    def fullmatch(self, text: str) -> object: ...


def strip_boilerplate(
    text: str, *, kinds: Sequence[Kind] = KINDS, edge: int = 10, languages: Sequence[str] = LANGUAGES
) -> str:
    r"""The text without menus, consent notices, share buttons and copyright lines at its ends, and repeated separators.

    Only the first and last `edge` lines that are not blank are looked at, and of a row of separators the first one
    stays anywhere. Whole lines are taken out; nothing is ever added or changed. Rules stand in strip_boilerplate.yaml,
    written for the four languages; they are careful, and leave what could be a sentence.

    >>> strip_boilerplate("Home | About us | Contact\n\nIt rained all day.\n\n© 2020 The Daily. All rights reserved.")
    'It rained all day.'
    >>> strip_boilerplate("Contact\nNobody wrote back, and the search went on.")
    'Contact\nNobody wrote back, and the search went on.'
    >>> strip_boilerplate("one\n-----\n-----\n*****\ntwo", kinds=["separators"])
    'one\n-----\ntwo'
    """
    lines = text.split("\n")
    out = _at_edges(lines, edge, tuple(kinds), tuple(languages))
    if "separators" in kinds:
        out |= _repeated_rules(lines, out)
    return _without(lines, out) if out else text


def _at_edges(lines: Sequence[str], edge: int, kinds: tuple[str, ...], languages: tuple[str, ...]) -> set[int]:
    """Which lines at the ends are boilerplate."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    ends = filled if len(filled) <= 2 * edge else [*filled[:edge], *filled[-edge:]]
    whole, item = _patterns(kinds, languages)
    shapes = [(number, lines[number].strip()) for number in ends if len(lines[number]) <= LONGEST]
    out = {number for number, line in shapes if whole is not None and whole.fullmatch(line)}
    if "navigation" not in kinds:
        return out
    entries = [(number, _entries(line, item)) for number, line in shapes]
    for is_menu, group in groupby(entries, key=lambda entry: entry[1] > 0):
        menu = list(group)
        if is_menu and sum(count for _, count in menu) >= MENU:
            out |= {number for number, _ in menu}
    return out


def _entries(line: str, item: _Pattern) -> int:
    """How many entries of a menu a line holds, zero unless it holds nothing else."""
    parts = [part for part in BETWEEN.split(line.strip("|>»›·•/*- ")) if part]
    return len(parts) if parts and all(item.fullmatch(part) for part in parts) else 0


def _repeated_rules(lines: Sequence[str], out: set[int]) -> set[int]:
    """Separators that follow another with nothing but blank lines between them."""
    repeated: set[int] = set()
    had_rule = False
    for number, line in enumerate(lines):
        if number in out or not line.strip():
            continue
        is_rule = RULE.fullmatch(line.strip()) is not None
        if is_rule and had_rule:
            repeated.add(number)
        had_rule = is_rule
    return repeated


def _without(lines: Sequence[str], out: set[int]) -> str:
    """The other lines; blank ones at an end go with the boilerplate that stood there."""
    kept = [number for number in range(len(lines)) if number not in out]
    filled = [number for number in kept if lines[number].strip()]
    if not filled:
        return ""
    first = filled[0] if min(out) < filled[0] else 0
    last = filled[-1] if max(out) > filled[-1] else len(lines)
    return "\n".join(lines[number] for number in kept if first <= number <= last)


@cache
def _patterns(kinds: tuple[str, ...], languages: tuple[str, ...]) -> tuple[_Pattern | None, _Pattern]:
    """One pattern for lines that are boilerplate by themselves, and one for entries of menus."""
    rules = YAML(typ="safe").load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    unknown = [language for language in languages if language not in rules["items"]]
    if unknown:
        raise UserError(
            f"strip_boilerplate: there are no rules for the language {unknown[0]!r}.", f"Known: {', '.join(LANGUAGES)}."
        )
    whole = [entry for kind in kinds for entry in _of(rules["lines"].get(kind, {}), languages)]
    return (_any(whole) if whole else None), _any(list(_of(rules["items"], languages)))


def _of(by_language: Mapping[str, Sequence[str]], languages: Sequence[str]) -> Iterator[str]:
    for language in languages:
        yield from by_language.get(language, ())


def _any(entries: Sequence[str]) -> _Pattern:
    pattern: _Pattern = re2.compile("(?i)(?:" + "|".join(f"(?:{entry})" for entry in entries) + ")")
    return pattern
