"""The HTTP interface: chat completions in OpenAI's format, the list of models, and health."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.serve.answering import engine_answer
from tunesmith.serve.chat_request import ChatRequest, parse_chat
from tunesmith.serve.engine import DEFAULT_LIMITS, Engine, Limits
from tunesmith.serve.served import Served, check_fits
from tunesmith.serve.wire import Completion, Refusal, completion_events, completion_json

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from tunesmith.store import Store

LOG = logging.getLogger(__name__)
CLIENT_GONE = 499  # as nginx calls it; nobody is left to read it


def request_id() -> str:
    """A new id for an answer; `tunesmith why` takes it."""
    return f"chatcmpl-{uuid.uuid4().hex}"


@dataclass(frozen=True)
class _Serving:
    """All that the endpoints share."""

    models: Mapping[str, Served]
    store: Store | None
    clock: Callable[[], float]
    ids: Callable[[], str]
    limits: Limits
    body_bytes: int
    started: float
    engines: dict[str, Engine] = field(default_factory=dict)  # filled while the app runs
    not_stored: list[str] = field(default_factory=list)  # ids of answers that the store would not take


def create_app(
    models: Mapping[str, Served],
    *,
    store: Store | None = None,
    clock: Callable[[], float] = time.time,
    ids: Callable[[], str] = request_id,
    limits: Limits = DEFAULT_LIMITS,
    body_bytes: int = 1 << 20,
) -> FastAPI:
    """The server for these models, by the names that clients ask for. Answers are kept only if a store is given.

    A request of more than `body_bytes` is refused. The engines run from the start of the server to its end.
    """
    from fastapi import FastAPI
    from starlette.routing import Route

    serving = _Serving(models, store, clock, ids, limits, body_bytes, clock())
    app = FastAPI(
        title="tunesmith",
        lifespan=_engines(serving),
        openapi_url=None,  # the pages it feeds would load scripts from elsewhere
        routes=[
            Route("/v1/chat/completions", _endpoint(serving, _chat_completions), methods=["POST"]),
            Route("/v1/models", _endpoint(serving, _list_models)),
            Route("/v1/models/{name:path}", _endpoint(serving, _show_model)),
            Route("/health", _endpoint(serving, _health)),
        ],
    )
    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    """Every error leaves in OpenAI's shape."""
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(ClientDisconnect, _gone_away)
    app.add_exception_handler(HTTPException, _no_such_endpoint)
    app.add_exception_handler(Exception, _our_mistake)


def _engines(serving: _Serving) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        serving.engines.update((name, Engine(one.model, serving.limits)) for name, one in serving.models.items())
        yield
        for engine in serving.engines.values():
            await asyncio.to_thread(engine.close)
        serving.engines.clear()

    return lifespan


def _endpoint(
    serving: _Serving, answer: Callable[[_Serving, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answer(serving, request)

    return endpoint


async def _chat_completions(serving: _Serving, request: Request) -> Response:
    began = time.monotonic()
    asked = parse_chat(await _body(request, serving.body_bytes))
    served = _find(serving, asked.model)
    if asked.store and serving.store is None:
        raise Refusal("This server does not store answers; its operator can switch it on.", param="store")
    await asyncio.to_thread(check_fits, served, asked.chat, asked.sampling.max_tokens)
    answer = await engine_answer(serving.engines[asked.model], asked, request)
    if answer is None:
        return await _gone_away(request)
    done = Completion(serving.ids(), int(serving.clock()), asked.model, served.key, answer)
    if serving.store is not None and asked.store is not False:
        await asyncio.to_thread(_keep, serving, serving.store, asked, done, time.monotonic() - began)
    if asked.stream:
        return _events(done, usage=asked.stream_usage)
    return _json(completion_json(done))


async def _body(request: Request, limit: int) -> bytes:
    """The body, read no further than the limit. Only JSON, so that no web page can post a form to a local server."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("The request needs the header Content-Type: application/json.", status=415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refusal(f"The request is larger than {limit} bytes.", status=413, code="request_too_large")
    return bytes(body)


def _find(serving: _Serving, name: str) -> Served:
    if name not in serving.models:
        raise Refusal(
            f"The model {name!r} does not exist here. {near(name, list(serving.models))}",
            status=404,
            param="model",
            code="model_not_found",
        )
    return serving.models[name]


def _keep(serving: _Serving, store: Store, asked: ChatRequest, done: Completion, seconds: float) -> None:
    """Store the answer. If that fails the client still gets it; the log and /health tell the operator."""
    from tunesmith.store import StoredRequest, save_request

    answer = done.answer
    request = StoredRequest(
        id=done.id,
        time=serving.clock(),
        model=done.model,
        checkpoint=done.key,
        run=serving.models[done.model].run,
        messages=asked.chat,
        answer=answer.text,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
        seconds=seconds,
        finish=answer.finish,
    )
    try:
        save_request(store, request)
    except UserError:
        LOG.exception("answer %s was given but could not be stored", done.id)
        serving.not_stored.append(done.id)


async def _list_models(serving: _Serving, _: Request) -> Response:
    return _json({"object": "list", "data": [_model_json(serving, name) for name in sorted(serving.models)]})


async def _show_model(serving: _Serving, request: Request) -> Response:
    name = request.path_params["name"]
    _find(serving, name)
    return _json(_model_json(serving, name))


def _model_json(serving: _Serving, name: str) -> dict[str, object]:
    served = serving.models[name]
    return {
        "id": name, "object": "model", "created": int(serving.started), "owned_by": "tunesmith",
        "checkpoint": served.key, "run": served.run, "context_tokens": served.context_tokens,
    }  # fmt: skip


async def _health(serving: _Serving, _: Request) -> Response:
    waiting = {name: engine.waiting for name, engine in sorted(serving.engines.items())}
    return _json({"status": "ok", "waiting": waiting, "not_stored": len(serving.not_stored)})


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    headers = {"Retry-After": "1"} if error.status == 429 else {}
    return _json(error.body, error.status, headers)


async def _no_such_endpoint(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    message = f"There is no {request.method} {request.url.path} here."
    return _json(Refusal(message, code="unknown_url").body, status, getattr(error, "headers", None))


async def _our_mistake(_: Request, error: Exception) -> Response:
    """The client learns that it is our fault; the server's log has the traceback."""
    return _json(Refusal("The server failed to answer; its log says why.", type="server_error").body, 500)


def _json(value: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(value, status, headers)


def _events(done: Completion, *, usage: bool) -> Response:
    from starlette.responses import StreamingResponse

    return StreamingResponse(completion_events(done, usage=usage), media_type="text/event-stream")


async def _gone_away(_: Request, error: Exception | None = None) -> Response:
    from starlette.responses import Response as Empty

    return Empty(status_code=CLIENT_GONE)
