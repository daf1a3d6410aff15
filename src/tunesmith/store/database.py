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
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError

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
    store = Store(_engine(_url(where)))
    try:
        with exclusive(store) as connection:
            migrate(connection, shown(store.engine.url))
    except UserError:
        store.close()
        raise
    return store


@contextmanager
def transaction(store: Store) -> Iterator[Connection]:
    """A transaction; raises UserError if the database cannot be used, for want of space say."""
    with _explained(store), store.engine.begin() as connection:
        yield connection


@contextmanager
def exclusive(store: Store) -> Iterator[Connection]:
    """A transaction that no other such one interleaves with: what is read in it still holds when it writes."""
    with (
        _explained(store),
        store.engine.connect().execution_options(tunesmith_write=True) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        yield connection


@contextmanager
def _explained(store: Store) -> Iterator[None]:
    try:
        yield
    except IntegrityError:  # a second row of the same id is our mistake, not the user's
        raise
    except DatabaseError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise UserError(
            f"the store {shown(store.engine.url)} cannot be used: {reason}.", _hint(store.engine)
        ) from error


def _hint(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return "It must be a file of tunesmith's, in a folder with space left that this user may write to."
    return "Is the server running, with space left, and may this user connect?"


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
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise UserError(f"the store {shown(url)} is neither SQLite nor PostgreSQL.", "No other database is supported.")
    # SQLAlchemy before 2.1 would take the older driver, psycopg2.
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise UserError(f"the store {shown(url)} needs {error.name}.", f"pip install '{error.name}[binary]'") from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def shown(url: URL) -> str:
    """A store's address as people may see it: without the password."""
    return url.database or ":memory:" if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


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
