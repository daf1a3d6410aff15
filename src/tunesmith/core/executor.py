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
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Literal, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from tunesmith.core.errors import UserError

T = TypeVar("T")
R = TypeVar("R")
Lane = Literal["threads", "processes"]
YOUNG_OBJECTS = 50_000  # parsers make many objects that live: a collection every 700 took 40 % of their time
IN_FLIGHT = 2  # tasks handed out per worker: enough to keep it busy, few enough to bound memory


@runtime_checkable  # so that a pass may take rows or files: what a recipe gives is checked by type
class Executor(Protocol):
    """Runs the same task over many items and gives the results back in the items' order."""

    @property
    def workers(self) -> int:
        """How many tasks run at once."""

    def map(self, task: Callable[[T], R], items: Sequence[T], *, lane: Lane = "processes") -> Iterator[R]:
        """The result of each item, in order; a task that raises, raises here."""

    def close(self) -> None:
        """Give back what the tasks needed; a later `map` takes it again."""


@dataclass
class LocalExecutor:
    """Threads or worker processes of this machine; one worker, or one item, runs in this process.

    Worker processes are started when they are first needed and stay for the next steps, until `close`.
    """

    workers: int = 1
    processes: ProcessPoolExecutor | None = field(default=None, repr=False)

    def map(self, task: Callable[[T], R], items: Sequence[T], *, lane: Lane = "processes") -> Iterator[R]:
        """The result of each item, in order, with at most a few tasks a worker in flight."""
        if self.workers < 2 or len(items) < 2:
            yield from map(task, items)
            return
        if lane == "threads":
            with ThreadPoolExecutor(min(self.workers, len(items))) as pool:
                yield from _ordered(pool, task, items, IN_FLIGHT * self.workers)
            return
        if self.processes is None:
            spawn = multiprocessing.get_context("spawn")
            self.processes = ProcessPoolExecutor(self.workers, spawn, _start_worker)
        try:
            yield from _ordered(self.processes, task, items, IN_FLIGHT * self.workers)
        except BrokenProcessPool as error:
            self.processes = None
            hint = "Try again with --workers 1."
            raise UserError("a worker process was killed, most likely for want of memory.", hint) from error

    def close(self) -> None:
        """End the worker processes, and give back their memory."""
        if self.processes is not None:
            self.processes.shutdown(cancel_futures=True)
            self.processes = None


def _ordered(pool: Pool, task: Callable[[T], R], items: Iterable[T], in_flight: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _start_worker() -> None:
    """Make a worker end with the process that started it, so that a killed run leaves nothing behind."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    pa.set_cpu_count(1)  # the other cores have workers of their own
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.sentinel,), daemon=True).start()


def _wait_for(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def usable_cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
