"""A number that is reported: its value, how many rows stand behind it, and its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A reported value with n and the limits of its 95 % interval (None where no interval can be given)."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | int | None]:
        """The four fields as they stand in report.json."""
        return {"value": self.value, "n": self.n, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, fields: dict[str, float | int | None]) -> Number:
        """The number that `as_json` wrote."""
        return cls(value=fields["value"], n=int(fields["n"] or 0), low=fields["low"], high=fields["high"])

    def __str__(self) -> str:
        if self.value is None:
            return f"not measured (n {self.n:,})"
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval} (n {self.n:,})"
