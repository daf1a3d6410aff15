"""How fast a training is: tokens a second, and the share of the device's peak that goes into the model (MFU)."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_S = 10.0  # over which the rate is taken


class Meter:
    """Counts tokens that are not padding, and time.

    `peak_flops` is asked for when the first numbers are. What a meter tells is for people: it enters no file.
    """

    def __init__(
        self, *, flops_per_token: float | None = None, peak_flops: Callable[[], float | None] = lambda: None
    ) -> None:
        self.flops_per_token = flops_per_token
        self.peak_flops = peak_flops
        self._tokens = 0
        self._since = time.perf_counter()
        self._rate = 0.0

    def add(self, part: object) -> None:
        """Count the tokens of a part."""
        self._tokens += int(getattr(part, "there", 0))

    def end_of_step(self) -> None:
        """Take the rate up to here; after a while a new one is begun."""
        spent = time.perf_counter() - self._since
        self._rate = self._tokens / max(spent, 1e-9)
        if spent >= WINDOW_S:
            self._tokens, self._since = 0, time.perf_counter()

    def numbers(self) -> dict[str, float]:
        """Tokens a second, and MFU where the model's work and the device's peak are known."""
        if not self._rate:
            return {}
        found = {"tokens_a_second": self._rate}
        peak = self.peak_flops() if self.flops_per_token else None
        if self.flops_per_token and peak:
            found["mfu"] = self._rate * self.flops_per_token / peak
        return found
