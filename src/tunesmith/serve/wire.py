"""OpenAI's shapes of answers and errors, as plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tunesmith.models.base import Answer


class Refusal(Exception):
    """A request that is answered with an error, in OpenAI's shape."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": type, "param": param, "code": code}}


@dataclass(frozen=True)
class Completion:
    """An answer with what a client is told about it."""

    id: str
    created: int  # seconds since 1970
    model: str
    key: str
    answer: Answer


def completion_json(done: Completion) -> dict[str, object]:
    """The answer as a `chat.completion` object."""
    message = {"role": "assistant", "content": done.answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": done.answer.finish}
    return {**_head(done, "chat.completion"), "choices": [choice], "usage": _usage(done.answer)}


def completion_events(done: Completion, *, usage: bool) -> Iterator[str]:
    """The answer as server-sent events: one delta with the whole text, for the engine answers whole batches."""
    head = _head(done, "chat.completion.chunk")
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": done.answer.text}, None),
        ({}, done.answer.finish),
    ]
    extra: dict[str, object] = {"usage": None} if usage else {}
    for delta, finish in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        yield _event({**head, "choices": [choice], **extra})
    if usage:
        yield _event({**head, "choices": [], "usage": _usage(done.answer)})
    yield "data: [DONE]\n\n"


def _head(done: Completion, kind: str) -> dict[str, object]:
    return {
        "id": done.id, "object": kind, "created": done.created, "model": done.model, "system_fingerprint": done.key
    }  # fmt: skip


def _usage(answer: Answer) -> dict[str, int]:
    total = answer.prompt_tokens + answer.answer_tokens
    return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.answer_tokens, "total_tokens": total}


def _event(value: Mapping[str, object]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
