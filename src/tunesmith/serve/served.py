"""A model as it is offered to clients."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat, Model
from tunesmith.serve.wire import Refusal

if TYPE_CHECKING:
    from tunesmith.models.local import LocalModel


@dataclass(frozen=True)
class Served:
    """A model, where it came from, and how much it can read."""

    model: Model
    key: str  # checkpoint KEY; clients see it as system_fingerprint
    run: str = ""
    context_tokens: int | None = None  # None: the model itself must say that a chat is too long
    count_tokens: Callable[[Chat], int] | None = None  # tokens of the rendered prompt


def served_local(model: LocalModel, *, key: str, run: str = "") -> Served:
    """A model folder as it is offered: its context is what its config says."""
    from jinja2 import TemplateError

    from tunesmith.models.chat import render

    tokenizer = deepcopy(model.tokenizer)  # tokenizers may not be used from two threads, and the engine has the other
    lock = Lock()

    def count_tokens(chat: Chat) -> int:
        try:
            with lock:
                return len(render(tokenizer, chat, answer=False).ids)
        except TemplateError as error:  # such as roles that must alternate and do not
            raise Refusal(f"The model's chat template refuses these messages: {error}", param="messages") from error
        except UserError as error:  # here, before the chat is in a batch with those of others
            raise Refusal(error.problem, param="messages") from error

    return Served(model, key, run, model.decoding.room, count_tokens)


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
