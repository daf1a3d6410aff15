"""One chat completion over HTTP: what is tried again, how long to wait, and what to tell the user otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json, unit_interval
from tunesmith.models.base import Answer

if TYPE_CHECKING:
    import httpx

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, with whose key, and how patiently."""

    base_url: str  # up to and with /v1
    key: str | None = field(default=None, repr=False)
    key_env: str | None = None
    timeout_s: float = 60.0
    retries: int = 5
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer and the id that the server gave it."""

    answer: Answer
    id: str


@contextmanager
def connected(endpoint: Endpoint) -> Iterator[httpx.Client]:
    """A client that keeps its connections; it takes proxies from the environment, except for this machine."""
    import httpx

    parts = urlsplit(endpoint.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{endpoint.base_url!r} is not the URL of an endpoint.", "For example http://127.0.0.1:8000/v1")
    headers = {} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key}"}
    local = _is_this_machine(parts.hostname)
    base_url = endpoint.base_url.rstrip("/") + "/"
    with httpx.Client(
        base_url=base_url,
        headers=headers,
        timeout=httpx.Timeout(endpoint.timeout_s, connect=10),
        trust_env=not local,
    ) as client:
        yield client


def _is_this_machine(hostname: str) -> bool:
    try:
        return hostname == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False


def complete(client: httpx.Client, endpoint: Endpoint, body: Mapping[str, object]) -> Mapping[str, object]:
    """The JSON of one chat completion; raises UserError once there is no point in trying again."""
    request = client.build_request("POST", "chat/completions", json=body)
    for attempt in range(endpoint.retries):
        try:
            return _once(request, client, endpoint)
        except _TryAgain as fault:
            endpoint.sleep(_pause_s(fault, attempt, body))
    try:
        return _once(request, client, endpoint)
    except _TryAgain as fault:
        raise UserError(
            f"{endpoint.base_url} failed {endpoint.retries + 1} times; at last: {fault.what}.",
            "Try again later, or ask it less at once (concurrency).",
        ) from fault


class _TryAgain(Exception):
    """A failure that may pass, and how long the server asked us to wait."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait_s = wait_s


def _once(request: httpx.Request, client: httpx.Client, endpoint: Endpoint) -> Mapping[str, object]:
    import httpx

    try:
        response = client.send(request)
    except httpx.ConnectError as error:
        raise UserError(
            f"{endpoint.base_url} cannot be reached: {error}.", "Is the server running, and is the address right?"
        ) from error
    except httpx.TimeoutException as error:
        raise _TryAgain(f"no answer within {endpoint.timeout_s:g} s") from error
    except httpx.TransportError as error:
        raise _TryAgain(f"the connection broke ({error})") from error
    if response.status_code == 200:
        return _json_of(response, endpoint)
    code, message = _complaint(response)
    if response.status_code in TRY_AGAIN and code != "insufficient_quota":
        raise _TryAgain(f"status {response.status_code}, {message}", _asked_wait_s(response, endpoint))
    raise _refused(response.status_code, message, endpoint)


def _json_of(response: httpx.Response, endpoint: Endpoint) -> Mapping[str, object]:
    """The JSON object of a response; raises UserError if there is none."""
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise not_openai(endpoint)
    return value


def model_names(client: httpx.Client, endpoint: Endpoint) -> list[str]:
    """The names of the models behind an endpoint, sorted."""
    found = _once(client.build_request("GET", "models"), client, endpoint).get("data")
    if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
        raise not_openai(endpoint)
    return sorted(str(one["id"]) for one in found)


def first_choice(completion: Mapping[str, object], endpoint: Endpoint) -> Reply:
    """The answer in the JSON of a chat completion; raises UserError if it is none."""
    try:
        choice = completion["choices"][0]  # type: ignore[index]  # JSON of any shape: what is missing is caught below
        text = choice["message"]["content"]
        usage = completion.get("usage") or {}
        prompt, written = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))  # type: ignore[attr-defined]  # as above
        finish = str(choice.get("finish_reason") or "stop")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise not_openai(endpoint) from error
    return Reply(Answer(text or "", prompt, written, finish), str(completion.get("id", "")))


def not_openai(endpoint: Endpoint) -> UserError:
    """What to say of a server that answers something else."""
    return UserError(
        f"{endpoint.base_url} does not answer like OpenAI's API.", "Base URLs usually end in /v1; is this one complete?"
    )


def _complaint(response: httpx.Response) -> tuple[str | None, str]:
    """The code and the message of an error, in OpenAI's shape or any other."""
    try:
        error = response.json()["error"]
        return error.get("code"), str(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, " ".join(response.text.split())[:200] or "no message"


def _refused(status: int, message: str, endpoint: Endpoint) -> UserError:
    said = f"it said: {message}"
    if status in (401, 403):
        hint = f"Check the key in {endpoint.key_env}." if endpoint.key_env else "Name the key's variable with key_env."
        return UserError(f"{endpoint.base_url} does not accept the key ({status}); {said}", hint)
    if status == 404:
        return UserError(
            f"{endpoint.base_url} has no such model (404); {said}", "Check its name, and that the URL ends in /v1."
        )
    return UserError(f"{endpoint.base_url} refused the request ({status}); {said}", "Change what it complains about.")


def _asked_wait_s(response: httpx.Response, endpoint: Endpoint) -> float | None:
    """Seconds until the moment in Retry-After, which is a number or a date (RFC 9110, 10.2.3)."""
    given = response.headers.get("retry-after")
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(given).timestamp() - endpoint.clock()
    except ValueError:
        return None


def _pause_s(fault: _TryAgain, attempt: int, body: Mapping[str, object]) -> float:
    """What the server asked for, or twice as long each time; spread out, so that not all come back at once."""
    spread = 0.5 + unit_interval([canonical_json(body), str(attempt)])
    wanted = FIRST_PAUSE_S * 2**attempt * spread if fault.wait_s is None else fault.wait_s
    return min(max(wanted, 0.0), LONGEST_PAUSE_S)
