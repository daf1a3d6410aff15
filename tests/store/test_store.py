from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from tunesmith.core.errors import UserError
from tunesmith.store import (
    Store,
    StoredRequest,
    count_gate_score,
    find_request,
    open_store,
    save_request,
    times_scored,
)
from tunesmith.store.gate_scores import GATE_SCORES
from tunesmith.store.migrations import MIGRATIONS
from tunesmith.store.requests import REQUESTS

POSTGRES = os.environ.get(
    "TUNESMITH_TEST_POSTGRES"
)  # the URL of an empty database; without one, SQLite alone is tested
ANSWER = StoredRequest(
    id="chatcmpl-1",
    time=1_790_000_000.125,
    model="voice",
    checkpoint="ab" * 10,
    run="quickstart",
    messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße, 世界 🙂"}),
    answer="Greet the world.",
    prompt_tokens=12,
    answer_tokens=4,
    seconds=0.25,
    finish="stop",
)


@pytest.fixture(params=["sqlite", *(["postgres"] if POSTGRES else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    where = POSTGRES if request.param == "postgres" and POSTGRES else tmp_path / "state.db"
    with open_store(where) as opened:
        yield opened
        if request.param == "postgres":
            with opened.engine.begin() as connection:
                connection.execute(text("DROP TABLE requests, gate_scores, migrations"))


def test_a_stored_answer_is_found_again_by_its_id(store: Store) -> None:
    save_request(store, ANSWER)
    assert find_request(store, "chatcmpl-1") == ANSWER


def test_an_id_that_was_never_stored_is_not_found(store: Store) -> None:
    assert find_request(store, "chatcmpl-2") is None


def test_two_answers_cannot_share_an_id(store: Store) -> None:
    save_request(store, ANSWER)
    with pytest.raises(IntegrityError):
        save_request(store, ANSWER)


def test_a_test_set_is_counted_once_for_each_verdict(store: Store) -> None:
    assert [count_gate_score(store, "test-a", by=verdict, time=1.0) for verdict in ("v1", "v2", "v3")] == [1, 2, 3]
    assert count_gate_score(store, "test-b", by="v1", time=1.0) == 1
    assert (times_scored(store, "test-a"), times_scored(store, "test-b"), times_scored(store, "test-c")) == (3, 1, 0)


def test_a_verdict_that_is_made_again_gets_its_first_number(store: Store) -> None:
    count_gate_score(store, "test", by="v1", time=1.0)
    count_gate_score(store, "test", by="v2", time=2.0)
    assert count_gate_score(store, "test", by="v1", time=3.0) == 1
    assert times_scored(store, "test") == 2


def test_gates_that_score_at_the_same_moment_get_different_numbers(store: Store) -> None:
    numbers: list[int] = []

    def score(worker: int) -> None:
        numbers.extend(count_gate_score(store, "test", by=f"{worker}-{i}", time=1.0) for i in range(10))

    threads = [threading.Thread(target=score, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 41))


def test_the_tables_have_the_columns_that_the_queries_name(store: Store) -> None:
    found = inspect(store.engine)
    for table in (REQUESTS, GATE_SCORES):
        assert {column["name"] for column in found.get_columns(table.name)} == set(table.c.keys())


def test_what_is_stored_outlives_the_process_and_migrations_run_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with open_store(path) as store:
        save_request(store, ANSWER)
    with open_store(str(path)) as store:
        assert find_request(store, ANSWER.id) == ANSWER
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT number, name FROM migrations").fetchall() == [
            (number, step.__name__) for number, step in enumerate(MIGRATIONS, 1)
        ]
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


def test_many_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    faults: list[Exception] = []

    def open_it() -> None:
        try:
            open_store(tmp_path / "state.db").close()
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "state.db") as store, store.engine.begin() as connection:
        connection.execute(text("INSERT INTO migrations VALUES (999, 'm999_future')"))
    with pytest.raises(UserError, match="newer tunesmith"):
        open_store(tmp_path / "state.db")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(UserError, match="cannot be used: file is not a database"):
        open_store(path)
    assert path.read_text() == "not a database, " * 100


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere of the store does not exist"):
        open_store(tmp_path / "nowhere" / "state.db")


def test_a_disk_that_is_full_is_told_in_words(tmp_path: Path) -> None:
    with open_store(tmp_path / "state.db") as store:
        with store.engine.connect() as connection:
            # The same error as on a full disk: no page may be added to the file.
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(UserError, match=r"state.db cannot be used: database or disk is full") as caught:
            save_request(store, replace(ANSWER, answer="long" * 10_000))
        assert "space left" in caught.value.hint
        assert find_request(store, ANSWER.id) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [("mysql://host/x", "neither SQLite nor PostgreSQL"), ("no url://", "URL cannot be read")],
)
def test_an_address_of_something_else_is_refused(url: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        open_store(url)


def test_a_url_shows_no_password() -> None:
    with pytest.raises(UserError) as caught:
        open_store("postgresql://me:secret@127.0.0.1:9/none")
    assert "secret" not in str(caught.value)
