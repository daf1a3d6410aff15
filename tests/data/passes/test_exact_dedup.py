"""Exact duplicates across shards: which row stays, which repeat it, and what is compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.passes.stream_toys import column, ids_of, stream_of, texts

from tunesmith.core.bound import parse_bound
from tunesmith.core.errors import UserError
from tunesmith.data.passes import _exchange
from tunesmith.data.passes.exact_dedup import KEEP, exact_dedup

ONE = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "target": "T"}
TWO = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}], "target": "t."}


def test_the_first_of_equals_stays_and_the_others_name_it(tmp_path: Path) -> None:
    stream = stream_of(texts("a", "b"), [], texts("b", "c", "a", "b"), scratch=tmp_path)
    tables = list(exact_dedup(stream))
    assert [table.num_rows for table in tables] == [2, 0, 4]
    assert column(tables, "duplicates") == [0, 0, 1, 0, 1, 1]
    first, second, *_ = ids_of(stream)
    assert column(tables, "survivor") == [None, None, second, None, first, second]


def test_the_default_bound_keeps_one_of_each(tmp_path: Path) -> None:
    tables = list(exact_dedup(stream_of(texts("a", "a"), texts("a", "b"), scratch=tmp_path)))
    bound = parse_bound(KEEP["duplicates"], "test")
    assert [bound.fault(value) is None for value in column(tables, "duplicates")] == [True, False, False, True]  # type: ignore[arg-type]


def test_letters_and_digits_are_compared_when_asked(tmp_path: Path) -> None:
    given = texts("Load the file.", "load  the FILE!", "Load the file2", "?!", "!?", "Ｌoad the file")
    assert column(list(exact_dedup(stream_of(given, scratch=tmp_path / "a"))), "duplicates") == [0] * 6
    same = list(exact_dedup(stream_of(given, scratch=tmp_path / "b"), normalise=True))
    assert column(same, "duplicates") == [0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("by", "normalise", "expected"),
    [
        (None, False, [0, 0]),
        ("prompt", False, [0, 1]),
        ("answer", False, [0, 0]),
        ("target", True, [0, 1]),
        (["prompt", "answer"], False, [0, 0]),
        (["prompt", "target"], True, [0, 1]),
    ],
)
def test_what_is_compared_is_what_the_recipe_names(
    tmp_path: Path, by: object, normalise: bool, expected: list[int]
) -> None:
    tables = list(exact_dedup(stream_of([ONE], [TWO], scratch=tmp_path), by=by, normalise=normalise))  # type: ignore[arg-type]
    assert column(tables, "duplicates") == expected


def test_a_record_without_what_is_compared_is_not_measured(tmp_path: Path) -> None:
    stream = stream_of([{"text": "a"}, {"text": "a", "target": "t"}], scratch=tmp_path)
    assert column(list(exact_dedup(stream, by="target")), "duplicates") == [None, 0]


def test_a_text_that_no_record_has_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no record has prompt"):
        list(exact_dedup(stream_of(texts("a"), scratch=tmp_path), by="prompt"))


def test_against_another_list_rows_are_compared_with_that_list_only(tmp_path: Path) -> None:
    stream = stream_of(texts("a", "a", "b"), texts("c"), scratch=tmp_path / "own")
    other = stream_of(texts("x"), texts("c", "b", "c"), scratch=tmp_path / "other")
    tables = list(exact_dedup(stream, against=other))
    assert column(tables, "duplicates") == [0, 0, 1, 1]
    _, first_c, b, _ = ids_of(other)
    assert column(tables, "survivor") == [None, None, b, first_c]


def test_an_empty_list_has_no_duplicates(tmp_path: Path) -> None:
    assert [table.num_rows for table in exact_dedup(stream_of([], [], scratch=tmp_path))] == [0, 0]


def test_workers_and_partitions_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [
        texts(*(f"text {number * number % 97}" for number in range(start, start + 50))) for start in range(0, 300, 50)
    ]
    one = list(exact_dedup(stream_of(*shards, scratch=tmp_path / "one")))
    two = list(exact_dedup(stream_of(*shards, scratch=tmp_path / "two", workers=2)))
    monkeypatch.setattr(_exchange, "PARTITION_ROWS", 20)
    many = list(exact_dedup(stream_of(*shards, scratch=tmp_path / "many")))
    assert len(list((tmp_path / "many/found").glob("*.npy"))) == 15
    assert one == two == many
    distinct = len({number * number % 97 for number in range(300)})
    assert column(one, "duplicates").count(0) == distinct


def page(url: str | None, **more: object) -> dict[str, object]:
    """A page, with what a source says of where it is from."""
    return {"text": f"{url} {more}", "meta": {"url": url} if url else {}, **more}


def test_addresses_are_compared_without_what_does_not_tell_pages_apart(tmp_path: Path) -> None:
    given = [
        page("https://Example.org/a/?utm_source=mail&id=7#top"),
        page("HTTPS://example.org:443/a?id=7"),
        page("https://example.org/a?id=8"),
        page("https://example.org/A?id=7"),
        page("http://example.org/a?id=7"),
        page(None),
        page(None, origin={"uri": "https://example.org/a?id=8"}),  # a file read from the web
        page(None, origin={"uri": "https://example.org/a?id=8", "line": 3}),  # a row of such a file
        page(None, origin={"uri": "pages/a.html"}),
    ]
    tables = list(exact_dedup(stream_of(given, scratch=tmp_path / "a"), by="url"))
    assert column(tables, "duplicates") == [0, 1, 0, 0, 0, None, 1, None, None]
    tables = list(exact_dedup(stream_of(given, scratch=tmp_path / "b"), by="url", normalise=True))
    assert column(tables, "duplicates") == [0, 1, 0, 0, 0, None, 1, None, None]
    with pytest.raises(UserError, match="no record has url"):
        list(exact_dedup(stream_of(texts("a"), scratch=tmp_path / "c"), by="url"))


def test_what_was_found_is_told_with_its_numbers(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "a"}]}
    passing = exact_dedup(stream_of([*texts("a", "b", "a", "c", "a", "c"), talk], scratch=tmp_path), by="text")
    while True:
        try:
            next(passing)
        except StopIteration as end:
            found = end.value
            break
    assert found["sentences"] == [
        "3 of 6 records repeat an earlier one (50.0 %).",
        "They repeat 2 records; the one repeated most stands 2 more times.",
        "1 of 7 records have nothing to compare and are not measured.",
    ]


def test_keys_that_are_equal_in_half_are_different_and_sorted_whole() -> None:
    keys = [(5, 2, 0, 0), (5, 1, 0, 1), (7, 1, 0, 2), (5, 2, 1, 0), (5, 1, 1, 1), (3, 9, 1, 2)]
    found = _exchange.by_key(np.array(keys, _exchange.PLACED))
    assert [tuple(entry) for entry in found.tolist()] == sorted(keys)
    assert _exchange.first_of_each(found).tolist() == [0, 1, 1, 3, 3, 5]
