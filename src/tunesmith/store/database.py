"""Opening the store: one file beside the workspace, or a PostgreSQL server that a team shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from types import TracebackType

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from tunesmith.core.errors import UserError
from tunesmith.store.migrations import migrate

BUSY_MS = 30_000  # how long one process waits for another's write, before it gives up
ADVISORY_LOCK = 0x74756E65  # "tune": any number will do that no other application takes in the same database


@dataclass(frozen=True)
class Store:
    """An open store. Close it, or use it as a context manager."""

    engine: Engine

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_store(where: str | Path) -> Store:
    """Open the store at a path (SQLite) or a URL, and bring its tables up to date.

    Raises UserError if the database cannot be reached or read, or was written by a newer version.
    """
    url = _url(where)
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise UserError(f"the store {_shown(url)} needs {error.name}.", f"pip install {error.name}") from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    store = Store(engine)
    try:
        with exclusive(store) as connection:
            migrate(connection, _shown(url))
    except DatabaseError as error:
        store.close()
        raise _unusable(url, error) from error
    return store


@contextmanager
def exclusive(store: Store) -> Iterator[Connection]:
    """A transaction that no other writer interleaves with: what is read in it still holds when it writes."""
    with store.engine.connect().execution_options(tunesmith_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        yield connection


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        path = Path(where)
        if not path.parent.is_dir():
            raise UserError(f"the folder {path.parent} of the store does not exist.", "Create it, or name another.")
        return URL.create("sqlite", database=str(path))
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise UserError("the store's URL cannot be read.", "For example postgresql://user@host/database") from error
    # SQLAlchemy before 2.1 would take the older driver, psycopg2.
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _prepare_sqlite(engine: Engine) -> None:
    """Readers beside a writer (WAL), patience with other processes, and transactions that begin when we say so."""

    @event.listens_for(engine, "connect")
    def connected(connection: SQLiteConnection, _: object) -> None:
        connection.isolation_level = None  # else the driver begins transactions on its own, and too late
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}").close()
        connection.execute("PRAGMA journal_mode = WAL").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("tunesmith_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(url: URL) -> str:
    return url.database or ":memory:" if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


def _unusable(url: URL, error: DatabaseError) -> UserError:
    reason = str(error.orig).strip().partition("\n")[0]
    reachable = isinstance(error, OperationalError) and url.drivername != "sqlite"
    hint = "Is the server running, and may this user connect?" if reachable else "Is it a file of tunesmith's?"
    return UserError(f"the store {_shown(url)} cannot be used: {reason}.", hint)
