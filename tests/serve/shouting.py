from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tunesmith.models.base import Answer, Chat, Sampling, TokenLogprobs


@dataclass
class Shouting:
    """Answers in capitals, remembers what it was asked together, and can be held up."""

    name: str = "shouting"
    can: frozenset[str] = frozenset({"generate"})
    calls: list[tuple[list[str], Sampling]] = field(default_factory=list)
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    free: threading.Event = field(default_factory=threading.Event)  # until it is set, no call returns

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        texts = [chat[-1]["content"] for chat in chats]
        self.calls.append((texts, sampling))
        self.called.release()
        assert self.free.wait(10)
        if "poison" in texts:
            raise ValueError("poison")
        return [Answer(text.upper(), len(text.split()), len(text.split())) for text in texts if text != "lost"]

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        raise NotImplementedError

    @property
    def sizes(self) -> list[int]:
        return [len(texts) for texts, _ in self.calls]
