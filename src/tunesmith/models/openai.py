"""Any endpoint that speaks OpenAI's chat-completion format, as a Model: ours, vLLM, SGLang, llama.cpp, a provider."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.errors import UserError
from tunesmith.models.base import Answer, Chat, Message, Sampling, TokenLogprobs
from tunesmith.models.conversation import chat_tools, message_of
from tunesmith.models.openai_http import Endpoint, complete, connected, first_choice


@dataclass(frozen=True)
class OpenAIModel:
    """A model behind an endpoint; see `openai_model`, which makes one."""

    endpoint: Endpoint
    model: str
    concurrency: int
    limit_name: str
    can: frozenset[str] = field(default=frozenset({"generate"}))

    @property
    def name(self) -> str:
        """The name under which its numbers are reported."""
        return self.model

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order, with at most `concurrency` requests under way.

        Raises UserError if the endpoint cannot be reached, refuses, or keeps failing; what is not yet sent is dropped.
        """
        options = sampling_json(sampling, self.limit_name)
        bodies = [{"model": self.model, **conversation_json(chat), **options} for chat in chats]
        # The client is closed before the pool is waited for, so that an error or Ctrl-C breaks off what is under way.
        with ThreadPoolExecutor(self.concurrency, "openai") as pool, connected(self.endpoint) as client:
            waiting = [pool.submit(complete, client, self.endpoint, body) for body in bodies]
            try:
                return [first_choice(answer.result(), self.endpoint).answer for answer in waiting]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """Not offered: chat endpoints do not score texts that they are given."""
        raise UserError(f"{self.name}: an endpoint gives no log-probabilities of given texts.", "Use a local model.")


def openai_model(
    base_url: str,
    model: str,
    *,
    key_env: str | None = None,
    concurrency: int = 8,
    timeout_s: float = 60.0,
    retries: int = 5,
    limit_name: str = "max_tokens",
) -> OpenAIModel:
    """The model of that name at a base URL such as http://127.0.0.1:8000/v1.

    `key_env` names the environment variable that holds the key, so that no recipe ever does. `limit_name` is what the
    endpoint calls the longest answer: OpenAI's reasoning models want max_completion_tokens. Raises UserError if the
    variable is not set or the URL is none.
    """
    key = None if key_env is None else os.environ.get(key_env)
    if key_env is not None and not key:
        raise UserError(f"the environment variable {key_env} is not set.", f"export {key_env}=... (the endpoint's key)")
    return OpenAIModel(
        Endpoint(base_url, key=key, key_env=key_env, timeout_s=timeout_s, retries=retries),
        model,
        concurrency,
        limit_name,
    )


def conversation_json(chat: Chat) -> dict[str, object]:
    """A chat and its tools as a request has them: there the arguments of a call are JSON in a string."""
    messages = [_message_json(message_of(message, f"messages[{number}]")) for number, message in enumerate(chat)]
    tools = chat_tools(chat)
    return {"messages": messages, "tools": [dict(tool) for tool in tools]} if tools else {"messages": messages}


def _message_json(message: Message) -> dict[str, object]:
    said = {key: value for key, value in message.items() if key not in ("weight", "tool_calls")}
    calls = message.get("tool_calls")
    return {**said, "tool_calls": [_call_json(call) for call in calls]} if calls else said


def _call_json(call: Mapping[str, Any]) -> dict[str, object]:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


def sampling_json(sampling: Sampling, limit_name: str = "max_tokens") -> dict[str, object]:
    """The options of a request that draws like this; what is left to the model is left out."""
    seed = None if sampling.temperature == 0 else sampling.seed  # not every endpoint knows `seed`
    given = {
        limit_name: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": seed,
    }
    return {name: value for name, value in given.items() if value is not None}
