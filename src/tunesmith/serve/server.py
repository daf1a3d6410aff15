"""Running an app: on this machine's loopback unless told otherwise, and never cutting off an answer."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp
    from uvicorn import Server

LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_S = 30  # an app that has not started by then never will


def serve(
    make_app: Callable[[], FastAPI],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] = lambda base_url: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; answers in flight are finished first.

    The port is taken before `make_app` loads any model, so UserError about a port in use comes at once. `ready` is
    called with the base URL, such as http://127.0.0.1:8000/v1, when the app is about to be served.
    """
    with _listening(host, port) as listening:
        server = _server(make_app(), host)
        ready(_base_url(host, listening))
        _run(server, listening)
    _require_started(server)


@contextmanager
def running(app: FastAPI, port: int = 0, *, host: str = "127.0.0.1") -> Iterator[str]:
    """The base URL of the app, served from a thread of this process until the block ends; port 0 picks a free one."""
    with _listening(host, port) as listening:
        server = _server(app, host)
        thread = threading.Thread(target=_run, args=(server, listening), name="server", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield _base_url(host, listening)
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: Server, thread: threading.Thread) -> None:
    waited = threading.Event()
    for _ in range(START_S * 100):
        if server.started or not thread.is_alive():
            break
        waited.wait(0.01)
    _require_started(server)


def _run(server: Server, listening: socket.socket) -> None:
    """Run to the end. uvicorn leaves by SystemExit where it cannot start, and repeats a Ctrl-C after shutting down."""
    with suppress(KeyboardInterrupt, SystemExit):
        server.run(sockets=[listening])


def _require_started(server: Server) -> None:
    if not server.started:
        raise RuntimeError("the server did not start; its log says why")


def _server(app: ASGIApp, host: str) -> Server:
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from uvicorn import Config, Server

    if host in LOOPBACK:
        # Else a web page whose name is made to point at 127.0.0.1 could read answers (DNS rebinding).
        app = TrustedHostMiddleware(app, allowed_hosts=[*LOOPBACK, "[::1]"], www_redirect=False)
    return Server(Config(app, log_config=None, access_log=False))


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    if not 0 <= port <= 65_535:
        raise UserError(f"{port} is not a port.", "Ports go from 1 to 65535; 0 picks a free one.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Listening at once, not only bound: two sockets may be bound to a port as long as neither listens.
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise _cannot_listen(error, host, port) from error
    with listening:
        yield listening


def _cannot_listen(error: OSError, host: str, port: int) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"port {port} is in use.", f"Choose another, for example --port {port + 1}, or stop what listens there."
        )
    if error.errno == errno.EACCES:
        return UserError(f"port {port} may not be opened by this user.", "Choose one above 1023, such as --port 8000.")
    return UserError(
        f"cannot listen on {host}, port {port}: {error.strerror}.",
        "127.0.0.1 is this machine alone; 0.0.0.0 is every network it is in.",
    )


def _base_url(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
