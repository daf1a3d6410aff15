"""One line of the table that bench/quality.py prints: a measured number with n, its interval and its bar."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, on how many, with a 95 % interval where there is one, and the bar it is held to."""

    what: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    bar: str = ""  # such as ">= 0.98"; empty where there is none
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the value meets its bar; None without one."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()
        return self.value >= float(limit) if sign == ">=" else self.value <= float(limit)
