"""Answers that a server gave and was told to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from sqlalchemy import JSON, column, select, table

from tunesmith.store.database import Store, transaction


@dataclass(frozen=True)
class StoredRequest:
    """One question and its answer, as the table `requests` keeps it."""

    id: str
    time: float  # seconds since 1970, UTC
    model: str  # the name it was asked for under
    checkpoint: str  # KEY
    run: str
    messages: tuple[Mapping[str, str], ...]
    answer: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    finish: str  # "stop" or "length"


_NAMES = tuple(field.name for field in fields(StoredRequest))
REQUESTS = table("requests", *(column(name, JSON() if name == "messages" else None) for name in _NAMES))


def save_request(store: Store, request: StoredRequest) -> None:
    """Keep one answer; its id must be new."""
    values = {name: getattr(request, name) for name in _NAMES}
    with transaction(store) as connection:
        connection.execute(REQUESTS.insert().values({**values, "messages": [dict(turn) for turn in request.messages]}))


def find_request(store: Store, id: str) -> StoredRequest | None:
    """The stored answer with this id, or None."""
    with transaction(store) as connection:
        row = connection.execute(select(REQUESTS).where(REQUESTS.c.id == id)).mappings().first()
    return None if row is None else StoredRequest(**{**row, "messages": tuple(row["messages"])})
