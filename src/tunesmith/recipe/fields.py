"""Small readers of fields that collect mistakes rather than raise them, so that all are shown at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.recipe.yaml import At

T = TypeVar("T")
D = TypeVar("D")
NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Found:
    """The mistakes found so far, and the folder that ./ stands for."""

    folder: Path
    errors: list[UserError] = field(default_factory=list)

    def error(self, problem: str, hint: str) -> None:
        """Note one mistake."""
        self.errors.append(UserError(problem, hint))

    def attempt(self, read: Callable[[], T], *, default: D) -> T | D:
        """What `read` gives, or the default when it finds a mistake."""
        try:
            return read()
        except UserError as error:
            self.errors.append(error)
            return default

    def text(self, at: At | None, *, default: str | None) -> str | None:
        """A string."""
        if at is None or at.value is None:
            return default
        if not isinstance(at.value, str):
            self.error(f"{at}: {at.plain!r} is not text.", "Put it in quotes.")
            return default
        return str(at.value)

    def name(self, at: At | None, *, default: str) -> str:
        """A word that folders and other steps can go by: letters, digits, - and _."""
        value = self.text(at, default=default) or default
        if not NAME.fullmatch(value):
            self.error(f"{at}: {value!r} cannot be a name.", "Names are letters, digits, - and _.")
            return default
        return value

    def whole(self, at: At | None, *, default: int) -> int:
        """A whole number."""
        if at is None:
            return default
        if isinstance(at.value, bool) or not isinstance(at.value, int):
            self.error(f"{at}: {at.plain!r} is not a whole number.", f"For example {default}.")
            return default
        return int(at.value)

    def number(self, at: At | None, *, default: float) -> float:
        """A number."""
        if at is None:
            return default
        if isinstance(at.value, bool) or not isinstance(at.value, (int, float)):
            self.error(f"{at}: {at.plain!r} is not a number.", f"For example {default:g}.")
            return default
        return float(at.value)

    def flag(self, at: At | None, *, default: bool) -> bool:
        """True or false."""
        if at is None:
            return default
        if not isinstance(at.value, bool):
            hint = "YAML 1.2 knows only true and false; yes, no, on and off are text."
            self.error(f"{at}: {at.plain!r} is neither true nor false.", hint)
            return default
        return bool(at.value)

    def choice(self, at: At | None, known: Sequence[str], *, default: str) -> str:
        """One of a few words."""
        value = self.text(at, default=default) or default
        if value not in known:
            self.error(f"{at}: {value!r} is not one of {', '.join(known)}.", near(value, list(known)))
            return default
        return value


def take(at: At | None, name: str) -> At | None:
    """One entry of a mapping, or None."""
    if at is None or not isinstance(at.value, Mapping) or name not in at.value:
        return None
    return at.child(name)


def one_of(at: At, known: Sequence[str], found: Found) -> None:
    """Note every entry of a mapping that is not among the known ones."""
    for name, item in at.items():
        if name not in known:
            found.error(f"{item}: there is no {name!r} here.", near(name, list(known)))


def first_key(at: At) -> str | None:
    """The first key of a mapping: the kind of a step."""
    return str(next(iter(at.value), "")) if isinstance(at.value, Mapping) else None
