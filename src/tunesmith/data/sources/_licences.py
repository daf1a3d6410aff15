"""Which licence a text is, or names: by phrases that stand in no other licence, as an SPDX expression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import NotRequired, TypedDict

_ANY = re.compile(
    r"licen[cs]|permission|redistribution|public domain|creative ?commons|\bcc[- ]?(?:by|0)", re.IGNORECASE
)
_SIGNS = re.compile(r"[^a-z0-9]+")
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([\w.+() -]+)")
_TAG_END = re.compile(r"\s(?!AND\b|OR\b|WITH\b)(?<!AND\s)(?<!OR\s)(?<!WITH\s)")
_GNU = re.compile(
    r"gnu (lesser |library |affero )?general public license "
    r"(?:as published by the free software foundation )?(?:either )?(?:version |v )?(\d)(?: (\d)\b)?"
    r"(?: of the license)?( or at your option any later version| or any later version| or later)?"
)
_GNU_NAMES = {"": "GPL", "lesser ": "LGPL", "library ": "LGPL", "affero ": "AGPL"}
_CREATIVE_COMMONS = re.compile(
    r"(?:creative commons(?: legal code)? attribution|creativecommons org licenses by|\bcc by)"
    r"( noncommercial| non commercial| nc)?( sharealike| share alike| sa| noderivatives| noderivs| no derivatives| nd)?"
    r"(?: licen[cs]e)? (\d) (\d)\b"
)


class Marks(TypedDict):
    """What tells the text of a licence: all phrases of one of the lines of `has`, and none of `lacks`."""

    has: list[list[str]]
    lacks: NotRequired[list[str]]


class Catalogue(TypedDict):
    """licences.yaml."""

    texts: dict[str, Marks]
    notices: dict[str, list[str]]


def spdx(text: str) -> str | None:
    """The licence that a text is or names, as an SPDX expression; None where no known one is found.

    SPDX tags in the text say it themselves. Several licences are joined by AND, which claims no more freedom than all
    of them give. The bare text of a GNU licence is `-only`: a later version is free to use only where a notice says so.

    >>> spdx("# SPDX-License-Identifier: MIT OR Apache-2.0")
    'MIT OR Apache-2.0'
    >>> spdx("Licensed under the Apache License, Version 2.0 (the 'License')")
    'Apache-2.0'
    >>> spdx("http://creativecommons.org/licenses/by-sa/4.0/"), spdx("All rights reserved.")
    ('CC-BY-SA-4.0', None)
    """
    if not _ANY.search(text):
        return None
    tags = {_expression(tag) for tag in _TAG.findall(text)} - {""}
    words = f" {_SIGNS.sub(' ', text.lower()).strip()} "
    named = {name for tag in tags for name in tag.split()}
    found = tags | (set(_texts(words)) - named) or set(_notices(words))
    return all_of(found)


def all_of(licences: Iterable[str]) -> str | None:
    """One expression for what stands under all of these licences; None where there is none.

    >>> all_of(["MIT OR Apache-2.0", "BSD-3-Clause AND MIT", "MIT"])
    '(MIT OR Apache-2.0) AND BSD-3-Clause AND MIT'
    """
    parts = {part for each in licences for part in ([each] if "(" in each else each.split(" AND "))}
    return " AND ".join(sorted(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts)) or None


def _expression(tag: str) -> str:
    """The tag's expression without what follows it on its line, such as the end of a comment."""
    found = _TAG_END.split(tag.strip(), maxsplit=1)[0].strip(" -.")
    return found[1:-1] if found.startswith("(") and found.find(")") == len(found) - 1 else found


def _in_brackets(found: set[str]) -> Iterator[str]:
    for name in found:
        yield f"({name})" if len(found) > 1 and " OR " in name else name


def _texts(words: str) -> Iterator[str]:
    for name, marks in _catalogue()["texts"].items():
        has = any(all(phrase in words for phrase in line) for line in marks["has"])
        if has and not any(phrase in words for phrase in marks.get("lacks", ())):
            yield name
    yield from _creative_commons(words)


def _creative_commons(words: str) -> Iterator[str]:
    for limits, after, major, minor in _CREATIVE_COMMONS.findall(words):
        kind = "-NC" if limits else ""
        if after:
            kind += "-SA" if after.replace(" ", "").startswith(("sa", "share")) else "-ND"
        yield f"CC-BY{kind}-{major}.{minor}"


def _notices(words: str) -> Iterator[str]:
    for name, phrases in _catalogue()["notices"].items():
        if any(phrase in words for phrase in phrases):
            yield name
    gnu = {
        (f"{_GNU_NAMES[kind]}-{major}.{minor or 0}", bool(later)) for kind, major, minor, later in _GNU.findall(words)
    }
    for name, or_later in gnu:
        if or_later:
            yield f"{name}-or-later"
        elif (name, True) not in gnu:
            yield f"{name}-only"


@cache
def _catalogue() -> Catalogue:
    from ruamel.yaml import YAML

    text = files(__package__).joinpath("licences.yaml").read_text(encoding="utf-8")
    found: Catalogue = YAML(typ="safe").load(text)
    return found
