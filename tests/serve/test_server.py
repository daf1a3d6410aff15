from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from tests.serve.shouting import Shouting

from tunesmith.core.errors import UserError
from tunesmith.models.echo import echo
from tunesmith.serve.app import create_app
from tunesmith.serve.ask import ask
from tunesmith.serve.served import Served
from tunesmith.serve.server import running, serve

SERVING = """
from tunesmith.models.echo import echo
from tunesmith.serve.app import create_app
from tunesmith.serve.served import Served
from tunesmith.serve.server import serve
serve(lambda: create_app({"echo": Served(echo(), "k")}), port=0, ready=lambda url: print(url, flush=True))
print("stopped")
"""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_port_in_use_is_reported_before_any_model_is_loaded(taken_port: int) -> None:
    loaded = []

    def make_app() -> FastAPI:
        loaded.append("a model")
        return create_app({})

    with pytest.raises(UserError) as caught:
        serve(make_app, port=taken_port)
    assert caught.value.problem == f"port {taken_port} is in use."
    assert f"--port {taken_port + 1}" in caught.value.hint
    assert loaded == []


def test_two_servers_get_two_free_ports() -> None:
    with running(create_app({"a": Served(echo(), "k")})) as one, running(create_app({"b": Served(echo(), "k")})) as two:
        assert (ask(one, None, "x").model, ask(two, None, "x").model) == ("a", "b")


def test_the_port_is_free_again_when_the_block_ends() -> None:
    app = create_app({"echo": Served(echo(), "k")})
    with running(app) as base_url:
        port = int(base_url.split(":")[2].removesuffix("/v1"))
    with running(app, port) as base_url:
        assert ask(base_url, None, "again").answer == "again"


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("198.51.100.7", 8000), ("no.such.host.invalid", 0)])
def test_an_address_that_cannot_be_taken_is_a_users_mistake(host: str, port: int) -> None:
    with pytest.raises(UserError, match=r"is not a port|cannot listen on"), running(create_app({}), port, host=host):
        pass


def test_answers_in_flight_are_finished_before_the_server_stops() -> None:
    model = Shouting()
    answers: list[httpx.Response] = []

    def post(base_url: str) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "last words"}]}
        answers.append(httpx.post(f"{base_url}/chat/completions", json=body))

    with running(create_app({"m": Served(model, "k")})) as base_url:
        client = threading.Thread(target=post, args=(base_url,))
        client.start()
        assert model.called.acquire(timeout=10)
        threading.Timer(0.3, model.free.set).start()
    client.join()
    assert answers[0].json()["choices"][0]["message"]["content"] == "LAST WORDS"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base_url}/models")


def test_a_server_that_cannot_start_does_not_hang() -> None:
    def broken(_: FastAPI) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="did not start"), running(FastAPI(lifespan=broken)):  # type: ignore[arg-type]  # on purpose
        pass


def test_ctrl_c_ends_a_server_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    base_url = process.stdout.readline().strip()
    assert ask(base_url, None, "still there?").answer == "still there?"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "stopped\n", "")
