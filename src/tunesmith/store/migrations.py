"""How the tables came to be: functions that are applied once, in order, and recorded. Never change one; add one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import JSON, BigInteger, Column, Connection, Float, Integer, MetaData, String, Table, Text, func, select

from tunesmith.core.errors import UserError

Migration = Callable[[Connection], None]
MIGRATIONS: list[Migration] = []
APPLIED = Table(
    "migrations", MetaData(), Column("number", Integer, primary_key=True, autoincrement=False), Column("name", Text)
)


def migration(step: Migration) -> Migration:
    """Add a step to the end of the list."""
    MIGRATIONS.append(step)
    return step


def migrate(connection: Connection, shown: str) -> None:
    """Apply what is missing, in the caller's transaction; raises UserError if the store is newer than this code."""
    APPLIED.create(connection, checkfirst=True)
    done = connection.scalar(select(func.count()).select_from(APPLIED)) or 0
    if done > len(MIGRATIONS):
        raise UserError(f"the store {shown} was written by a newer tunesmith.", "Update tunesmith, or use another.")
    for number, step in enumerate(MIGRATIONS[done:], start=done + 1):
        step(connection)
        connection.execute(APPLIED.insert().values(number=number, name=step.__name__))


@migration
def m001_initial(connection: Connection) -> None:
    """Stored answers, and the scores that gates drew from test sets."""
    tables = MetaData()
    Table(
        "requests",
        tables,
        Column("id", String(80), primary_key=True),
        Column("time", Float(53), nullable=False, index=True),
        Column("model", Text, nullable=False),
        Column("checkpoint", String(80), nullable=False, index=True),
        Column("run", Text, nullable=False),
        Column("messages", JSON, nullable=False),
        Column("answer", Text, nullable=False),
        Column("prompt_tokens", BigInteger, nullable=False),
        Column("answer_tokens", BigInteger, nullable=False),
        Column("seconds", Float(53), nullable=False),
        Column("finish", Text, nullable=False),
    )
    Table(
        "gate_scores",
        tables,
        Column("test_set", String(80), primary_key=True),
        Column("scored_by", String(80), primary_key=True),
        Column("times", Integer, nullable=False),
        Column("time", Float(53), nullable=False),
    )
    tables.create_all(connection)
