"""How often gates scored a test set: the more often it is asked, the less its verdicts mean."""

from __future__ import annotations

from sqlalchemy import Connection, column, func, select, table

from tunesmith.store.database import Store, exclusive, transaction

GATE_SCORES = table("gate_scores", column("test_set"), column("scored_by"), column("times"), column("time"))


def count_gate_score(store: Store, test_key: str, *, by: str, time: float) -> int:
    """How often this test set has been scored, this time included; `by` is the KEY of the verdict that scores it.

    A verdict that is made again, after a kill say, has learnt nothing new: it counts once and gets its first number.
    """
    with exclusive(store) as connection:
        known = connection.scalar(
            select(GATE_SCORES.c.times).where(GATE_SCORES.c.test_set == test_key, GATE_SCORES.c.scored_by == by)
        )
        if known is not None:
            return int(known)
        times = _times(connection, test_key) + 1
        connection.execute(GATE_SCORES.insert().values(test_set=test_key, scored_by=by, times=times, time=time))
    return times


def times_scored(store: Store, test_key: str) -> int:
    """How often gates have scored this test set so far."""
    with transaction(store) as connection:
        return _times(connection, test_key)


def _times(connection: Connection, test_key: str) -> int:
    query = select(func.count()).select_from(GATE_SCORES).where(GATE_SCORES.c.test_set == test_key)
    return int(connection.scalar(query) or 0)
