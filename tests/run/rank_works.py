"""What the processes of a training do together in tests/run/test_ranks.py; it travels to them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from tunesmith.core.errors import UserError


def add(folder: Path) -> None:
    """Each process leaves the sum of all ranks."""
    from tunesmith.train.devices import here

    total = here().added({"rank": float(here().rank)})["rank"]
    (folder / f"sum_{here().rank}").write_text(f"{total:g} of {here().world} {here().kind}")


def fail(how: str) -> None:
    """The other process fails while the first waits for it."""
    from tunesmith.train.devices import here

    if here().rank:
        if how == "error":
            raise UserError("The disk of the other is full.", "Empty it.")
        os.kill(os.getpid(), signal.SIGKILL)
    here().added({"rank": 0.0})


def sleep(folder: Path) -> None:
    """The other process leaves its number and works on for long."""
    (folder / "pid.part").write_text(str(os.getpid()))
    (folder / "pid.part").rename(folder / "pid")
    time.sleep(600)


if __name__ == "__main__":
    from tests.run.rank_works import sleep as asleep  # by a name that the other process knows

    from tunesmith.run.ranks import Ranks, together

    with together(Ranks(2, on_this_machine=2), partial(asleep, Path(sys.argv[1]))):
        time.sleep(600)
