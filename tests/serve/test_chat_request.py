from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.models.base import Sampling
from tunesmith.serve.chat_request import ChatRequest, parse_chat
from tunesmith.serve.wire import Refusal

HELLO = [{"role": "user", "content": "hello"}]


def parse(**options: object) -> ChatRequest:
    return parse_chat(json.dumps({"model": "voice", "messages": HELLO, **options}).encode())


@pytest.mark.parametrize(
    ("option", "param", "says"),
    [
        ({"n": 2}, "n", "does not support n"),
        ({"logprobs": True}, "logprobs", "does not support"),
        ({"tools": [{"type": "function"}]}, "tools", "does not support"),
        ({"response_format": {"type": "json_object"}}, "response_format", "does not support"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "does not support"),
        ({"top_k": 5}, "top_k", "Unrecognized"),
        ({"temperature": "hot"}, "temperature", "must be a number"),
        ({"temperature": 3}, "temperature", "between 0 and 2"),
        ({"top_p": True}, "top_p", "must be a number"),
        ({"max_tokens": 0}, "max_tokens", "below the minimum"),
        ({"max_tokens": 1.5}, "max_tokens", "must be an integer"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "differ"),
        ({"stop": [1]}, "stop", "strings"),
        ({"stop": list("abcde")}, "stop", "at most 4"),
        ({"seed": "x"}, "seed", "must be an integer"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only allowed with stream"),
        ({"model": ""}, "model", "must name a model"),
        ({"messages": []}, "messages", "at least one"),
        ({"messages": ["hello"]}, "messages[0]", "must be an object"),
        ({"messages": [*HELLO, {"role": "tool", "content": "x"}]}, "messages[1].role", "must be one of"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "must be a string"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]", "type text"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name", "does not support"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(option: dict[str, Any], param: str, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(**option)
    error = caught.value.body["error"]
    assert (caught.value.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert says in str(caught.value)


def test_options_that_ask_for_nothing_are_accepted() -> None:
    nothing = {"n": 1, "logprobs": False, "tools": [], "tool_choice": None, "frequency_penalty": 0, "logit_bias": {}}
    about = {"response_format": {"type": "text"}, "user": "ann", "metadata": {"team": "support"}}
    assert parse(**nothing, **about) == parse()


def test_options_that_are_left_out_are_left_to_the_model_and_the_server() -> None:
    assert parse() == ChatRequest("voice", tuple(HELLO), Sampling(), None, stream=False, stream_usage=False, store=None)
    assert parse(top_p=1).sampling == Sampling()


def test_top_p_alone_draws_at_temperature_1_as_at_openai() -> None:
    assert parse(top_p=0.5).sampling == Sampling(temperature=1.0, top_p=0.5)


def test_one_stop_or_several_may_be_given() -> None:
    assert parse(stop="END").sampling.stop == ("END",)
    assert parse(stop=["a", "b"]).sampling.stop == ("a", "b")


def test_text_parts_and_developer_messages_are_understood() -> None:
    parts = [{"type": "text", "text": "good "}, {"type": "text", "text": "day"}]
    chat = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    assert parse(messages=chat).chat == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "good day"},
    )


def test_an_answer_may_be_sent_back_as_the_openai_client_gives_it() -> None:
    turn: dict[str, object] = {
        "role": "assistant",
        "content": "Hi.",
        "refusal": None,
        "tool_calls": None,
        "annotations": [],
    }
    assert parse(messages=[*HELLO, turn, *HELLO]).chat[1] == {"role": "assistant", "content": "Hi."}
