"""Tasks that worker processes can find by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tunesmith.core.executor import LocalExecutor


def slow_square(number: int) -> int:
    """The square, the smallest numbers last."""
    time.sleep(0.002 * (10 - number) if number < 10 else 0)
    return number * number


def my_pid(_: int) -> int:
    return os.getpid()


def fail_on_seven(number: int) -> int:
    if number == 7:
        raise ValueError("seven")
    return number


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tell_and_sleep(folder: str) -> None:
    """Say who works, then work for an hour."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(3600)


if __name__ == "__main__":  # a run with two workers that never ends
    list(LocalExecutor(2).map(tell_and_sleep, [sys.argv[1]] * 2))
