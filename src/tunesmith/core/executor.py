"""Where tasks run: the protocol every executor keeps, and the local one (threads or worker processes)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Literal, Protocol, TypeVar

from tunesmith.core.errors import UserError

T = TypeVar("T")
R = TypeVar("R")
Lane = Literal["threads", "processes"]
YOUNG_OBJECTS = 50_000  # parsers make many objects that live: a collection every 700 took 40 % of their time
IN_FLIGHT = 2  # tasks handed out per worker: enough to keep it busy, few enough to bound memory


class Executor(Protocol):
    """Runs the same task over many items and gives the results back in the items' order."""

    @property
    def workers(self) -> int:
        """How many tasks run at once."""

    def map(self, task: Callable[[T], R], items: Sequence[T], *, lane: Lane = "processes") -> Iterator[R]:
        """The result of each item, in order; a task that raises, raises here."""


@dataclass(frozen=True)
class LocalExecutor:
    """Threads or worker processes of this machine; one worker, or one item, runs in this process."""

    workers: int = 1

    def map(self, task: Callable[[T], R], items: Sequence[T], *, lane: Lane = "processes") -> Iterator[R]:
        """The result of each item, in order, with at most a few tasks a worker in flight."""
        if self.workers < 2 or len(items) < 2:
            yield from map(task, items)
            return
        pool: Pool
        count = min(self.workers, len(items))
        if lane == "threads":
            pool = ThreadPoolExecutor(count)
        else:
            pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _start_worker)
        with pool:
            yield from _ordered(pool, task, items, IN_FLIGHT * count)


def _ordered(pool: Pool, task: Callable[[T], R], items: Iterable[T], in_flight: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, most likely for want of memory.", "Try again with --workers 1."
        ) from error
    finally:
        for future in waiting:
            future.cancel()


def _start_worker() -> None:
    """Make a worker end with the process that started it, so that a killed run leaves nothing behind."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.sentinel,), daemon=True).start()


def _wait_for(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def usable_cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
