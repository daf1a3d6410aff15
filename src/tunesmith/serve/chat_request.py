"""What a chat-completion request may say, in OpenAI's format.

Whatever would change an answer is either honoured or refused. Nothing is silently ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from tunesmith.models.base import Sampling
from tunesmith.serve.wire import Refusal

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
MOST_STOPS = 4  # as at OpenAI
HONOURED = frozenset(
    {"model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed"}
    | {"stream", "stream_options", "store"}
)
WITHOUT_EFFECT = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key", "parallel_tool_calls"})
# Options we do not have, with the values that ask for nothing; null, [] and {} ask for nothing anywhere.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": (),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
    "tools": (),
    "tool_choice": ("none", "auto"),
    "functions": (),
    "function_call": ("none", "auto"),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}


@dataclass(frozen=True)
class ChatRequest:
    """A chat-completion request that was understood whole."""

    model: str
    chat: tuple[Mapping[str, str], ...]
    sampling: Sampling
    seed: int | None
    stream: bool
    stream_usage: bool
    store: bool | None  # None leaves it to the server


def parse_chat(body: bytes) -> ChatRequest:
    """The request in a JSON body; raises Refusal naming the parameter that is wrong."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(f"The body is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise Refusal("The body is not a JSON object.")
    fields = {name: value for name, value in given.items() if value is not None}
    _refuse_unsupported(fields)
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal("The request must name a model.", param="model")
    stream = _boolean(fields, "stream") or False
    return ChatRequest(
        model,
        _chat(fields.get("messages")),
        _sampling(fields),
        _integer(fields, "seed"),
        stream,
        _stream_usage(fields, stream),
        _boolean(fields, "store"),
    )


def _refuse_unsupported(fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        if name in HONOURED or name in WITHOUT_EFFECT or value in ([], {}):
            continue
        if name not in NEUTRAL:
            raise Refusal(f"Unrecognized request argument supplied: {name}.", param=name, code="unknown_parameter")
        if value not in NEUTRAL[name]:
            shown = json.dumps(value, ensure_ascii=False)[:80]
            raise Refusal(
                f"This server does not support {name} ({name} = {shown}). Leave it out.",
                param=name,
                code="unsupported_parameter",
            )


def _sampling(fields: Mapping[str, object]) -> Sampling:
    temperature = _number(fields, "temperature", low=0, high=2)
    top_p = _number(fields, "top_p", low=0, high=1)
    if temperature is None and top_p == 1:
        top_p = None  # some clients send it always; it asks for nothing, so the model's own settings stand
    if temperature is None and top_p is not None:
        temperature = 1.0  # OpenAI's default: a model that is greedy of itself could not honour top_p
    return Sampling(
        max_tokens=_max_tokens(fields),
        temperature=temperature,
        top_p=top_p,
        stop=_stop(fields.get("stop")),
    )


def _max_tokens(fields: Mapping[str, object]) -> int | None:
    given = [(name, _integer(fields, name)) for name in ("max_tokens", "max_completion_tokens") if name in fields]
    for name, value in given:
        if value is not None and value < 1:
            raise Refusal(f"{name} is {value}, below the minimum of 1.", param=name)
    values = {value for _, value in given}
    if len(values) > 1:
        raise Refusal("max_tokens and max_completion_tokens differ; give one of them.", param="max_tokens")
    return values.pop() if values else None


def _stop(given: object) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise Refusal("stop must be a string or a list of strings, none of them empty.", param="stop")
    if len(stops) > MOST_STOPS:
        raise Refusal(f"stop has {len(stops)} strings; at most {MOST_STOPS} are allowed.", param="stop")
    return tuple(stops)


def _stream_usage(fields: Mapping[str, object], stream: bool) -> bool:
    options = fields.get("stream_options", {})
    if not isinstance(options, dict) or set(options) - {"include_usage", "include_obfuscation"}:
        raise Refusal("stream_options may hold include_usage.", param="stream_options")
    if options.get("include_obfuscation"):
        raise Refusal("This server does not pad its stream.", param="stream_options.include_obfuscation")
    if options and not stream:
        raise Refusal("stream_options is only allowed with stream = true.", param="stream_options")
    return bool(options.get("include_usage"))


def _number(fields: Mapping[str, object], name: str, *, low: float, high: float) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(f"{name} must be a number.", param=name)
    if not low <= value <= high:
        raise Refusal(f"{name} is {value}; it must lie between {low} and {high}.", param=name)
    return float(value)


def _integer(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Refusal(f"{name} must be an integer.", param=name)
    return value


def _boolean(fields: Mapping[str, object], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(f"{name} must be true or false.", param=name)
    return value


def _chat(given: object) -> tuple[Mapping[str, str], ...]:
    if not isinstance(given, list) or not given:
        raise Refusal("messages must be a list of at least one message.", param="messages")
    return tuple(_message(turn, f"messages[{index}]") for index, turn in enumerate(given))


def _message(given: object, where: str) -> Mapping[str, str]:
    if not isinstance(given, dict):
        raise Refusal(f"{where} must be an object with role and content.", param=where)
    role = given.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise Refusal(f"{where}.role must be one of {', '.join(ROLES)}.", param=f"{where}.role")
    others = [name for name, value in given.items() if name not in ("role", "content") and value not in (None, [], {})]
    if others:
        raise Refusal(f"This server does not support {where}.{others[0]}.", param=f"{where}.{others[0]}")
    return {"role": ROLES[role], "content": _content(given.get("content"), f"{where}.content")}


def _content(given: object, where: str) -> str:
    if isinstance(given, str):
        return given
    if not isinstance(given, list) or not given:
        raise Refusal(f"{where} must be a string or a list of text parts.", param=where)
    for index, part in enumerate(given):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise Refusal(f"{where}[{index}] must be a part of type text.", param=f"{where}[{index}]")
    return "".join(part["text"] for part in given)
