"""Between a connection and the engine: wait for the answer as long as somebody waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.models.base import Answer
from tunesmith.serve.chat_request import ChatRequest
from tunesmith.serve.engine import Engine, QueueFull
from tunesmith.serve.wire import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request


async def engine_answer(engine: Engine, asked: ChatRequest, request: Request) -> Answer | None:
    """The engine's answer, or None if the client went away first. Raises Refusal if the queue is full."""
    try:
        answer = engine.submit(asked.chat, asked.sampling, seed=asked.seed)
    except QueueFull:
        raise _busy(engine) from None
    try:
        return await _unless_gone(answer, request)
    except UserError as error:  # such as a chat that the model's template cannot render
        raise Refusal(str(error), param="messages") from error


async def _unless_gone(answer: Future[Answer], request: Request) -> Answer | None:
    waiting = asyncio.wrap_future(answer)
    gone = asyncio.create_task(_gone(request))
    gone.add_done_callback(lambda _: waiting.cancel())  # takes it out of the queue, unless it is being answered
    try:
        return await waiting
    except asyncio.CancelledError:
        if gone.done():
            return None
        raise
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _busy(engine: Engine) -> Refusal:
    return Refusal(
        f"The server is busy: {engine.limits.waiting} requests are waiting. Try again later.",
        status=429,
        type="requests",
        code="rate_limit_exceeded",
    )
