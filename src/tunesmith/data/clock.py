"""Seconds by operator, each its own: what an operator makes another do counts for the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Clock:
    """Seconds by operator.

    >>> clock = Clock()
    >>> with clock.of("words"), clock.of("tokenise"):
    ...     pass
    >>> sorted(clock.seconds)
    ['tokenise', 'words']
    """

    seconds: Counter[str] = field(default_factory=Counter)
    running: list[str] = field(default_factory=list)
    since: float = 0.0

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the time of a block, without that of the blocks inside it."""
        self._switch()
        self.running.append(name)
        try:
            yield
        finally:
            self._switch()
            self.running.pop()

    def _switch(self) -> None:
        """Give the time since the last change to whatever was running."""
        now = time.perf_counter()
        if self.running:
            self.seconds[self.running[-1]] += now - self.since  # type: ignore[assignment]  # a counter of seconds
        self.since = now

    def each(self, name: str, items: Iterator[T]) -> Iterator[T]:
        """The items, with the time that each took to come."""
        while True:
            with self.of(name):
                item = next(items, None)
            if item is None:
                return
            yield item
