"""The arm that a reward model has to beat: the longer answer is the better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.models.base import Chat, Judge, Model

VERSION = 1
ASKS = "rewards"


@dataclass(frozen=True)
class Longer:
    """Rewards an answer by its characters."""

    name: str

    def of_chats(self, chats: Sequence[Chat]) -> list[float]:
        """The characters of the last turn of each chat."""
        return [float(len(chat[-1]["content"] or "")) for chat in chats]


def longer(*, base: Model | None, rows: Sequence[Mapping[str, object]], name: str) -> Judge:
    """The longer answer of a pair: what many who judge answers prefer, whatever they say."""
    return Longer(name)
