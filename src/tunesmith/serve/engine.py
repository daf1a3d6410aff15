"""The batching engine: many clients, one model. Requests drawn alike share one call of `generate`."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tunesmith.models.base import Answer, Chat, Model, Sampling


@dataclass(frozen=True)
class Limits:
    """What the engine may hold. With 32 clients, batches of 32 gave four times the answers a second of single calls."""

    batch: int = 32  # requests in one call of the model
    wait_s: float = 0.005  # how long the first of a batch waits for others
    waiting: int = 256  # requests in the queue; more are turned away


DEFAULT_LIMITS = Limits()


class QueueFull(Exception):
    """As many requests wait as may wait."""


class _Draw(NamedTuple):
    """Requests with an equal draw may share a batch."""

    sampling: Sampling
    seed: int | None  # the client's own, which nobody else may share: None leaves it to the engine


@dataclass(frozen=True)
class _Waiting:
    chat: Chat
    draw: _Draw
    answer: Future[Answer] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Engine:
    """A queue and one worker thread in front of a model, which is never called twice at once."""

    def __init__(self, model: Model, limits: Limits = DEFAULT_LIMITS) -> None:
        self.model = model
        self.limits = limits
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._batches = 0
        # A daemon: a second Ctrl-C must end the process even while the model computes.
        self._worker = threading.Thread(target=self._work, name=f"engine {model.name}", daemon=True)
        self._worker.start()

    def submit(self, chat: Chat, sampling: Sampling, *, seed: int | None = None) -> Future[Answer]:
        """The answer to come; raises QueueFull. Cancel it and it is not computed, if it has not begun.

        A `seed` asks for an answer that can be repeated, so it is drawn alone unless it is greedy. Without one, the
        engine draws each batch with a new seed; `sampling.seed` is not looked at.
        """
        greedy = sampling.temperature == 0
        asked = _Waiting(chat, _Draw(replace(sampling, seed=0), None if greedy else seed))
        with self._changed:
            if len(self._queue) >= self.limits.waiting:
                self._queue = deque(one for one in self._queue if not one.answer.cancelled())
            if len(self._queue) >= self.limits.waiting or self._closing:
                raise QueueFull
            self._queue.append(asked)
            self._changed.notify_all()
        return asked.answer

    @property
    def waiting(self) -> int:
        """How many requests are in the queue."""
        return len(self._queue)

    def close(self) -> None:
        """Answer what is in the queue, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._worker.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._batches += 1
            self._answer([one for one in batch if one.answer.set_running_or_notify_cancel()])

    def _next_batch(self) -> list[_Waiting]:
        """The oldest request and those like it; empty once the engine is closed and the queue is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return []
            deadline = self._queue[0].since + self.limits.wait_s
            while self._may_grow() and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(left_s)
            batch = self._alike()
            taken = {id(one) for one in batch}
            self._queue = deque(one for one in self._queue if id(one) not in taken)
        return batch

    def _may_grow(self) -> bool:
        alone = self._queue[0].draw.seed is not None
        return not (alone or self._closing or len(self._alike()) == self.limits.batch)

    def _alike(self) -> list[_Waiting]:
        first = self._queue[0]
        if first.draw.seed is not None:
            return [first]
        return [one for one in self._queue if one.draw == first.draw][: self.limits.batch]

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        draw = batch[0].draw
        seed = self._batches if draw.seed is None else draw.seed
        greedy = draw.sampling.temperature == 0
        try:
            answers = self.model.generate(
                [one.chat for one in batch], replace(draw.sampling, seed=0 if greedy else seed)
            )
            pairs = list(zip(batch, answers, strict=True))
        except Exception as error:  # whatever it is, it goes to the one who asked, and the thread lives on
            self._failed(batch, error)
            return
        for one, answer in pairs:
            one.answer.set_result(answer)

    def _failed(self, batch: list[_Waiting], error: Exception) -> None:
        """One request that a model cannot answer must not cost its neighbours theirs: each is tried alone."""
        if len(batch) == 1:
            batch[0].answer.set_exception(error)
        else:
            for one in batch:
                self._answer([one])
