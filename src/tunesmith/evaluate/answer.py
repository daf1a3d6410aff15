"""Ask a model every question of a test set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.models.base import Answer, Model, Sampling
from tunesmith.models.rows import Row, chat_of

BATCH = 256
Progress = Callable[[int, int], None]  # answered so far, of how many


def answer(
    model: Model, rows: Sequence[Row], *, sampling: Sampling, batch: int = BATCH, progress: Progress | None = None
) -> list[Answer]:
    """The model's answer to each row, in order: it sees the messages before the last assistant turn."""
    chats = [chat_of(row) for row in rows]
    answers: list[Answer] = []
    for start in range(0, len(chats), batch):
        answers += model.generate(chats[start : start + batch], sampling)
        if progress is not None:
            progress(len(answers), len(chats))
    if len(answers) != len(rows):
        raise ValueError(f"{model.name} gave {len(answers)} answers to {len(rows)} chats")
    return answers
