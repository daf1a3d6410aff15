from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tunesmith.core.errors import UserError
from tunesmith.models.base import Answer, Chat, Sampling
from tunesmith.models.conversation import Conversation
from tunesmith.models.openai import OpenAIModel, openai_model

GREEDY = Sampling(temperature=0)


@dataclass
class Endpoint:
    """A small HTTP server that goes through a list of (status, headers, body) before it answers well."""

    script: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def good(text: str) -> str:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    return json.dumps(
        {"id": "x", "choices": [{"message": {"content": text}, "finish_reason": "length"}], "usage": usage}
    )


def error(message: str, code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "code": code}})


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with endpoint.lock:
                endpoint.asked.append(asked)
                endpoint.keys.append(self.headers.get("Authorization"))
                endpoint.at_once += 1
                endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
                turn = endpoint.script.pop(0) if endpoint.script else None
            time.sleep(0.01 if len(asked["messages"][0]["content"]) % 2 else 0.0)
            status, headers, body = turn or (200, {}, good(asked["messages"][0]["content"].upper()))
            with endpoint.lock:
                endpoint.at_once -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def patient(model: OpenAIModel, pauses: list[float]) -> OpenAIModel:
    """The same model with a clock at 1,000,000,000 that notes pauses instead of sleeping."""
    return replace(model, endpoint=replace(model.endpoint, sleep=pauses.append, clock=lambda: 1_000_000_000.0))


def chats(*texts: str) -> list[Chat]:
    return [[{"role": "user", "content": text}] for text in texts]


def test_answers_come_in_the_order_of_the_questions_and_no_more_at_once_than_allowed() -> None:
    endpoint = Endpoint()
    texts = ["a" * n for n in range(1, 31)]
    with serving(endpoint) as url:
        answers = openai_model(url, "m", concurrency=3).generate(chats(*texts), GREEDY)
    assert [answer.text for answer in answers] == [text.upper() for text in texts]
    assert answers[0] == Answer("A", 5, 2, "length")
    assert 1 < endpoint.most_at_once <= 3


def test_calls_and_tools_are_sent_as_the_api_has_them() -> None:
    endpoint = Endpoint()
    call = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"city": "Köln"}}}
    asked = {"role": "user", "content": "Rain?"}
    result = {"role": "tool", "content": "yes", "tool_call_id": "c1"}
    tools = ({"type": "function", "function": {"name": "weather"}},)
    chat = Conversation((asked, {"role": "assistant", "content": "", "tool_calls": [call], "weight": 0}, result), tools)
    with serving(endpoint) as url:
        openai_model(url, "m").generate([chat], GREEDY)
    sent = {**call, "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}
    calling = {"role": "assistant", "content": "", "tool_calls": [sent]}
    assert endpoint.asked[0]["messages"] == [asked, calling, result]
    assert endpoint.asked[0]["tools"] == list(tools)


def test_only_what_the_sampling_decides_is_sent() -> None:
    endpoint = Endpoint()
    with serving(endpoint) as url:
        model = openai_model(url, "m")
        model.generate(chats("x"), GREEDY)
        model.generate(chats("x"), Sampling(max_tokens=9, temperature=0.5, top_p=0.9, stop=("\n",), seed=4))
        openai_model(url, "m", limit_name="max_completion_tokens").generate(chats("x"), replace(GREEDY, max_tokens=3))
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert endpoint.asked[0] == {**asked, "temperature": 0}
    drawn = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["\n"], "seed": 4}
    assert endpoint.asked[1] == {**asked, **drawn}
    assert endpoint.asked[2] == {**asked, "temperature": 0, "max_completion_tokens": 3}


def test_the_key_comes_from_the_named_variable_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    endpoint = Endpoint()
    with serving(endpoint) as url:
        model = openai_model(url, "m", key_env="MY_KEY")
        model.generate(chats("x"), GREEDY)
    assert endpoint.keys == ["Bearer s3cret"]
    assert "s3cret" not in repr(model)


def test_a_key_that_is_not_set_is_missed_before_anything_is_asked() -> None:
    with pytest.raises(UserError, match="variable NO_SUCH_KEY is not set"):
        openai_model("http://127.0.0.1:9/v1", "m", key_env="NO_SUCH_KEY")


def test_what_may_pass_is_tried_again_after_ever_longer_pauses() -> None:
    pauses: list[float] = []
    endpoint = Endpoint([(500, {}, "oops"), (503, {}, ""), (429, {}, error("slow down"))])
    with serving(endpoint) as url:
        answers = patient(openai_model(url, "m"), pauses).generate(chats("x"), GREEDY)
    assert answers[0].text == "X"
    assert len(endpoint.asked) == 4
    for pause, least in zip(pauses, (0.25, 0.5, 1.0), strict=True):
        assert least <= pause <= 3 * least


def test_the_pause_that_a_server_asks_for_is_kept() -> None:
    pauses: list[float] = []
    waits = ["7", "Sun, 09 Sep 2001 01:46:52 GMT", "86400", "Sun, 09 Sep 2001 01:00:00 GMT"]
    endpoint = Endpoint([(429, {"Retry-After": wait}, error("slow down")) for wait in waits])
    with serving(endpoint) as url:
        patient(openai_model(url, "m"), pauses).generate(chats("x"), GREEDY)
    assert pauses == [7.0, 12.0, 60.0, 0.0]


def test_a_server_that_keeps_failing_is_given_up_with_its_last_words() -> None:
    endpoint = Endpoint([(500, {}, error("out of memory"))] * 3)
    with serving(endpoint) as url, pytest.raises(UserError, match="failed 3 times; at last: status 500, out of memory"):
        patient(openai_model(url, "m", retries=2), []).generate(chats("x"), GREEDY)
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, error("bad key"), "does not accept the key"),
        (404, error("no model m"), "has no such model"),
        (400, error("too long"), "refused the request .400.; it said: too long"),
        (429, error("pay first", "insufficient_quota"), "it said: pay first"),
        (200, "<html>", "does not answer like OpenAI's API"),
        (200, "{}", "does not answer like OpenAI's API"),
        (200, '{"choices": [{"message": null}]}', "does not answer like OpenAI's API"),
    ],
)
def test_what_will_not_pass_is_told_at_once(status: int, body: str, says: str) -> None:
    endpoint = Endpoint([(status, {}, body)])
    with serving(endpoint) as url, pytest.raises(UserError, match=says):
        openai_model(url, "m").generate(chats("x"), GREEDY)
    assert len(endpoint.asked) == 1


def test_the_first_refusal_stops_the_rest() -> None:
    endpoint = Endpoint([(401, {}, error("bad key"))] * 100)
    with serving(endpoint) as url, pytest.raises(UserError, match="does not accept the key"):
        openai_model(url, "m", concurrency=2).generate(chats(*["x"] * 100), GREEDY)
    assert len(endpoint.asked) < 20


def test_a_server_that_hangs_is_left_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(UserError, match=r"failed 2 times; at last: no answer within 0.05 s"):
            patient(openai_model(url, "m", timeout_s=0.05, retries=1), []).generate(chats("x"), GREEDY)


def test_an_endpoint_scores_no_texts() -> None:
    model = openai_model("http://127.0.0.1:9/v1", "m")
    assert model.can == {"generate"}
    with pytest.raises(UserError, match="no log-probabilities"):
        model.logprobs(chats("x"))
