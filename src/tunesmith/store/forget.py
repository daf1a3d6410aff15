"""Stored answers that are erased."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from sqlalchemy import delete, select

from tunesmith.store.database import Store, exclusive
from tunesmith.store.requests import REQUESTS


def forget_requests(store: Store, is_meant: Callable[[str], bool]) -> int:
    """Erase the stored answers whose messages or answer, as text, are meant; gives how many there were."""
    with exclusive(store) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")  # else the bytes stay in the file, unlinked
        rows = connection.execute(select(REQUESTS.c.id, REQUESTS.c.messages, REQUESTS.c.answer)).all()
        meant = [row.id for row in rows if is_meant(f"{orjson.dumps(row.messages).decode()} {row.answer}")]
        for one in meant:
            connection.execute(delete(REQUESTS).where(REQUESTS.c.id == one))
    if store.engine.dialect.name == "sqlite":
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds the old pages too
    return len(meant)
