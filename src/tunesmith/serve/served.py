"""A model as it is offered to clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunesmith.models.base import Chat, Model
from tunesmith.serve.wire import Refusal


@dataclass(frozen=True)
class Served:
    """A model, where it came from, and how much it can read."""

    model: Model
    key: str  # checkpoint KEY; clients see it as system_fingerprint
    run: str = ""
    context_tokens: int | None = None  # None: the model itself must say that a chat is too long
    count_tokens: Callable[[Chat], int] | None = None  # tokens of the rendered prompt


def check_fits(served: Served, chat: Chat, max_tokens: int | None) -> None:
    """Raise Refusal unless the prompt and the answer that was asked for fit the model's context.

    Without `max_tokens` there must be room for one token: the answer ends where the context does.
    """
    if served.context_tokens is None or served.count_tokens is None:
        return
    prompt = served.count_tokens(chat)
    answer = 1 if max_tokens is None else max_tokens
    if prompt + answer > served.context_tokens:
        raise Refusal(
            f"This model's context length is {served.context_tokens} tokens. You asked for {prompt + answer} tokens: "
            f"{prompt} in the messages, {answer} in the answer. Shorten the messages or lower max_tokens.",
            param="messages",
            code="context_length_exceeded",
        )
