"""Asking a served model one question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.core.record import message
from tunesmith.models.openai_http import Endpoint, complete, connected, first_choice, model_names

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Asked:
    """An answer, the model that gave it, and the id that `tunesmith why` takes."""

    answer: str
    id: str
    model: str


def ask(
    base_url: str, model: str | None, question: str, *, system: str | None = None, max_tokens: int | None = None
) -> Asked:
    """The answer of the model at a base URL such as http://127.0.0.1:8000/v1; None asks the only one it has.

    Raises UserError if the server cannot be reached, has no such model, or will not answer.
    """
    endpoint = Endpoint(base_url)
    chat = [*([message("system", system)] if system else []), message("user", question)]
    limit = {} if max_tokens is None else {"max_tokens": max_tokens}
    with connected(endpoint) as client:
        chosen = model or _only_model(client, endpoint)
        reply = first_choice(complete(client, endpoint, {"model": chosen, "messages": chat, **limit}), endpoint)
    return Asked(reply.answer.text, reply.id, chosen)


def _only_model(client: httpx.Client, endpoint: Endpoint) -> str:
    names = model_names(client, endpoint)
    if len(names) != 1:
        raise UserError(
            f"{endpoint.base_url} serves {len(names)} models: {', '.join(names) or 'none'}.", "Name one with --model."
        )
    return names[0]
