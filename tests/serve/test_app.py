from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from tests.serve.shouting import Shouting

from tunesmith.models.base import Sampling
from tunesmith.serve.app import create_app
from tunesmith.serve.engine import Limits
from tunesmith.serve.served import Served
from tunesmith.serve.server import running
from tunesmith.store import Store, find_request, open_store

KEY = "0123456789abcdef0123"
JSON = {"Content-Type": "application/json"}
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def one_model() -> Shouting:
    return Shouting()


@pytest.fixture
def model(one_model: Shouting) -> Shouting:
    """The model behind the shared server, free to answer and with nothing remembered."""
    one_model.free.set()
    one_model.calls.clear()
    while one_model.called.acquire(blocking=False):
        pass
    return one_model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "state.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_url(one_model: Shouting, store: Store) -> Iterator[str]:
    """A server that keeps its answers, with two models; "short" reads three words."""
    count = itertools.count(1)
    models = {
        "voice": Served(one_model, KEY, "quickstart"),
        "short": Served(one_model, KEY, context_tokens=3, count_tokens=lambda chat: len(chat[-1]["content"].split())),
    }
    app = create_app(
        models,
        store=store,
        clock=lambda: 1_790_000_000.5,
        ids=lambda: f"chatcmpl-{next(count)}",
        limits=Limits(waiting=2),
    )
    with running(app) as url:
        yield url


@pytest.fixture
def base_url(shared_url: str, model: Shouting) -> str:
    return shared_url


@pytest.fixture(scope="module")
def refusing_model() -> Shouting:
    return Shouting()  # would hang if it were asked


@pytest.fixture(scope="module")
def refusing_url(refusing_model: Shouting) -> Iterator[str]:
    """One server for all tests of requests that no model gets to see."""
    with running(create_app({"voice": Served(refusing_model, KEY)}, body_bytes=10_000)) as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as opened:
        yield opened


def post(base_url: str, **body: object) -> httpx.Response:
    return httpx.post(f"{base_url}/chat/completions", json={"model": "voice", "messages": HELLO, **body})


def test_the_openai_client_gets_an_answer_with_its_checkpoint(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="voice", messages=[{"role": "user", "content": "hello"}])
    assert done.choices[0].message.content == "HELLO"
    assert re.fullmatch(r"chatcmpl-\d+", done.id)
    assert (done.system_fingerprint, done.created) == (KEY, 1_790_000_000)
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (1, 1, 2)


def test_a_stream_is_one_delta_with_the_whole_answer(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="voice",
        messages=[{"role": "user", "content": "good day"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks if chunk.choices] == ["", "GOOD DAY", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None, None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 4


def test_the_models_are_listed_and_shown(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["short", "voice"]
    shown = client.models.retrieve("voice")
    assert shown.model_dump()["checkpoint"] == KEY


def test_health_says_how_many_wait(base_url: str) -> None:
    health = httpx.get(f"{base_url.removesuffix('/v1')}/health")
    assert health.json() == {"status": "ok", "waiting": {"short": 0, "voice": 0}, "not_stored": 0}


def test_an_unknown_model_is_not_found_and_the_nearest_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Did you mean 'voice'") as caught:
        client.chat.completions.create(model="voise", messages=[{"role": "user", "content": "hello"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_sampling_options_reach_the_model(base_url: str, model: Shouting) -> None:
    answer = post(base_url, temperature=0.5, top_p=0.9, max_completion_tokens=7, stop=["\n", "END"], seed=3)
    assert answer.status_code == 200
    assert model.calls[0][1] == Sampling(max_tokens=7, temperature=0.5, top_p=0.9, stop=("\n", "END"), seed=3)


def test_what_cannot_be_honoured_is_refused_by_name_and_no_model_sees_it(
    refusing_url: str, refusing_model: Shouting
) -> None:
    answer = post(refusing_url, n=2)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "This server does not support n (n = 2). Leave it out.",
        "type": "invalid_request_error",
        "param": "n",
        "code": "unsupported_parameter",
    }
    assert refusing_model.calls == []


def test_a_prompt_and_answer_that_exceed_the_context_are_refused(base_url: str, model: Shouting) -> None:
    chat = [{"role": "user", "content": "two words"}]
    assert post(base_url, model="short", messages=chat).status_code == 200
    assert post(base_url, model="short", messages=chat, max_tokens=1).status_code == 200
    refused = post(base_url, model="short", messages=chat, max_tokens=2)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert "4 tokens: 2 in the messages, 2 in the answer" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (JSON, b"{", 400),
        (JSON, b"[1]", 400),
        (JSON, b'{"model": "\xff"}', 400),
        (JSON, b'{"model": "voice", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (JSON, b"[" * 9_000, 400),
        (JSON, b" " * 10_001, 413),
        ({"Content-Type": "text/plain"}, b"{}", 415),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(
    refusing_url: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = httpx.post(f"{refusing_url}/chat/completions", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_other_paths_and_methods_answer_in_the_same_shape(refusing_url: str) -> None:
    assert httpx.get(f"{refusing_url}/embeddings").json()["error"]["code"] == "unknown_url"
    wrong_method = httpx.get(f"{refusing_url}/chat/completions")
    assert (wrong_method.status_code, wrong_method.json()["error"]["code"]) == (405, "unknown_url")


def test_a_full_queue_says_so_and_the_client_may_come_back(base_url: str, model: Shouting) -> None:
    model.free.clear()
    threads = [threading.Thread(target=post, args=(base_url,)) for _ in range(3)]
    threads[0].start()
    assert model.called.acquire(timeout=10)
    for thread in threads[1:]:
        thread.start()
    wait_until(base_url, waiting=2)
    turned_away = post(base_url)
    model.free.set()
    for thread in threads:
        thread.join()
    assert turned_away.status_code == 429
    assert turned_away.headers["retry-after"] == "1"
    assert "2 requests are waiting" in turned_away.json()["error"]["message"]
    assert post(base_url).status_code == 200


def test_a_request_whose_client_went_away_is_not_computed(base_url: str, model: Shouting) -> None:
    model.free.clear()
    first = threading.Thread(target=post, args=(base_url,))
    first.start()
    assert model.called.acquire(timeout=10)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{base_url}/chat/completions",
            json={"model": "voice", "messages": [{"role": "user", "content": "impatient"}]},
            timeout=0.3,
        )
    time.sleep(0.2)
    model.free.set()
    first.join()
    assert post(base_url).status_code == 200
    assert "impatient" not in [text for texts, _ in model.calls for text in texts]


def test_our_own_failure_shows_no_traceback_to_clients_and_the_server_lives_on(
    base_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    failed = post(base_url, messages=[{"role": "user", "content": "poison"}])
    assert failed.status_code == 500
    assert failed.json()["error"]["type"] == "server_error"
    assert "poison" not in failed.text
    assert post(base_url).status_code == 200
    assert "ValueError: poison" in caplog.text


def test_answers_are_stored_with_where_they_came_from(base_url: str, store: Store) -> None:
    stored = find_request(store, post(base_url).json()["id"])
    assert stored is not None
    assert (stored.model, stored.checkpoint, stored.run) == ("voice", KEY, "quickstart")
    assert (stored.answer, stored.finish, stored.time) == ("HELLO", "stop", 1_790_000_000.5)
    assert stored.messages == ({"role": "user", "content": "hello"},)


def test_a_client_may_ask_not_to_be_stored(base_url: str, store: Store) -> None:
    assert find_request(store, post(base_url, store=False).json()["id"]) is None


def test_an_answer_that_cannot_be_stored_is_still_given_and_counted(
    model: Shouting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        open_store(tmp_path / "state.db") as broken,
        running(create_app({"voice": Served(model, KEY)}, store=broken)) as url,
    ):
        with broken.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE requests")
        assert post(url).status_code == 200
        assert "could not be stored" in caplog.text
        assert httpx.get(f"{url.removesuffix('/v1')}/health").json()["not_stored"] == 1


def test_without_a_store_nothing_is_kept_and_asking_for_it_is_refused(model: Shouting) -> None:
    with running(create_app({"voice": Served(model, KEY)})) as base_url:
        answer = post(base_url)
        assert answer.json()["id"].startswith("chatcmpl-")
        refused = post(base_url, store=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "store")


def test_a_local_server_does_not_answer_to_a_foreign_name(refusing_url: str) -> None:
    answer = httpx.get(f"{refusing_url}/models", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert httpx.get(f"{refusing_url}/models", headers={"Host": "localhost:8000"}).status_code == 200


def wait_until(base_url: str, *, waiting: int) -> None:
    for _ in range(500):
        if httpx.get(f"{base_url.removesuffix('/v1')}/health").json()["waiting"]["voice"] == waiting:
            return
        time.sleep(0.01)
    raise AssertionError(f"never saw {waiting} waiting")
