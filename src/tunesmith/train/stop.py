"""Being asked to end: a training finishes its step and writes its state before it leaves."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

ENDED = 128 + signal.SIGTERM  # what a shell calls a process that was asked to end


class Stop:
    """While it lasts, SIGTERM is noted rather than obeyed; a second one ends the process at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: signal._HANDLER = signal.SIG_DFL
        self._listens = threading.current_thread() is threading.main_thread()  # only that one may set handlers

    def __enter__(self) -> Stop:
        if self._listens:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._listens:
            signal.signal(signal.SIGTERM, self._before)

    def leave_if_asked(self, why: str) -> None:
        """Leave the process, with the exit code of one that was asked to end."""
        if self.asked:
            raise SystemExit(ENDED) from InterruptedError(why)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGTERM, self._before)
