"""Contamination: rows that hold items of a benchmark, told apart from those that only look like it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from bench.checks.contamination_texts import FAMILIES, FORMS, labelled, problems
from tests.data.passes.stream_toys import column, ids_of, stream_of, texts
from tests.running import write_rows
from tests.shared import shared

from tunesmith.core.bound import parse_bound
from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.passes.contamination import KEEP, check, contamination
from tunesmith.data.stream import Stream

QUESTION = "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total does it take?"
ANSWER = "It takes one bolt of white fiber, so the total amount of fabric is three bolts of fabric in all, as asked."
OTHER = "Nothing in this text has anything to do with what is asked there, and it goes on about the weather all day."
ITEM = {"question": QUESTION, "answer": ANSWER, "id": "robe"}


def files(folder: Path, *rows: dict[str, object], name: str = "evals.jsonl") -> list[LocalPath]:
    return [LocalPath(str(write_rows(folder / name, rows)))]


def run(stream: Stream, **options: object) -> tuple[list[pa.Table], dict[str, object]]:
    """The tables of the pass, and what it found."""
    tables, measured = [], contamination(stream, **options)  # type: ignore[arg-type]  # by name
    while True:
        try:
            tables.append(next(measured))
        except StopIteration as end:
            return tables, cast("dict[str, object]", end.value)


def chat(prompt: str, answer: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def test_a_row_that_holds_an_item_names_it_with_its_passage(tmp_path: Path) -> None:
    stream = stream_of(
        texts(f"{OTHER} {QUESTION.upper()} {OTHER}", OTHER), [], texts(QUESTION[:40]), scratch=tmp_path / "s"
    )
    tables, _ = run(stream, against=files(tmp_path, ITEM))
    assert [table.num_rows for table in tables] == [2, 0, 1]
    assert column(tables, "overlap") == [1.0, 0.0, 0.0]
    assert column(tables, "item") == ["evals.jsonl:1 question", None, None]
    assert column(tables, "benchmark") == ["evals.jsonl", None, None]
    assert column(tables, "matched") == [10, 0, 0]
    assert column(tables, "passage") == [QUESTION.upper().rstrip("?"), None, None]


def test_the_default_bound_drops_more_than_half_of_an_item(tmp_path: Path) -> None:
    words = QUESTION.split()
    stream = stream_of(texts(*(" ".join(words[:size]) for size in (22, 14, 13, 11, 10))), scratch=tmp_path / "s")
    tables, _ = run(stream, against=files(tmp_path, ITEM), n=8)
    bound = parse_bound(KEEP["overlap"], "test")
    shares = [size / 22 for size in (22, 14, 13, 11, 10)]
    assert column(tables, "overlap") == pytest.approx(shares)
    assert [bound.fault(share) is None for share in shares] == [False, False, False, True, True]


def test_the_prompt_and_the_answer_of_a_conversation_both_count(tmp_path: Path) -> None:
    pair = {**chat(OTHER, ""), "chosen": "Yes.", "rejected": ANSWER}
    stream = stream_of(
        [chat(QUESTION, "Three."), chat("How?", ANSWER), chat(OTHER, OTHER), pair], scratch=tmp_path / "s"
    )
    tables, _ = run(stream, against=files(tmp_path, ITEM))
    assert column(tables, "overlap") == [1.0, 1.0, 0.0, 1.0]
    assert column(tables, "item") == [
        f"evals.jsonl:1 {field}" if field else None for field in ("question", "answer", "", "answer")
    ]


def test_a_short_prompt_is_found_though_an_answer_follows_and_a_short_answer_is_not(tmp_path: Path) -> None:
    against = files(tmp_path, {"question": "Bye!", "answer": "Yes"})
    stream = stream_of(
        [chat("bye", "See you"), chat("Is it?", "yes"), {"text": "yes"}, {"text": "Bye\nyes"}], scratch=tmp_path / "s"
    )
    tables, found = run(stream, against=against)
    assert column(tables, "overlap") == [1.0, 0.0, 1.0, 0.0]
    assert "2 of 2 texts of benchmarks have fewer than 5 words" in " ".join(cast("list[str]", found["sentences"]))


def test_documents_need_longer_n_grams_than_conversations(tmp_path: Path) -> None:
    part = " ".join(QUESTION.split()[:12])
    stream = stream_of([{"text": part}, chat(part, "")], scratch=tmp_path / "s")
    assert column(run(stream, against=files(tmp_path, ITEM))[0], "overlap") == pytest.approx([0.0, 12 / 22])


def test_only_the_fields_that_are_named_are_items(tmp_path: Path) -> None:
    stream = stream_of(texts(QUESTION, ANSWER), scratch=tmp_path / "s")
    assert column(run(stream, against=files(tmp_path, ITEM), fields=["answer"])[0], "overlap") == [0.0, 1.0]


def test_against_another_list_items_are_its_rows(tmp_path: Path) -> None:
    other = stream_of([chat(QUESTION, ANSWER)], texts(QUESTION), scratch=tmp_path / "other")
    stream = stream_of(texts(OTHER, ANSWER), scratch=tmp_path / "s")
    tables, _ = run(stream, against=other)
    assert column(tables, "item") == [None, f"toys:{ids_of(other)[0]} answer"]


def test_items_that_are_the_same_are_counted_each_and_the_first_is_named(tmp_path: Path) -> None:
    against = files(tmp_path, ITEM, {"question": OTHER}, ITEM)
    tables, found = run(stream_of(texts(QUESTION), scratch=tmp_path / "s"), against=against)
    assert column(tables, "item") == ["evals.jsonl:1 question"]
    assert found["items_above"] == {"evals.jsonl": 2}


def test_identifiers_in_a_passage_are_redacted(tmp_path: Path) -> None:
    item = "Please write to the friendly people at jo@example.org about the lost card that they have in their office."
    tables, _ = run(stream_of(texts(item), scratch=tmp_path / "s"), against=files(tmp_path, {"text": item}))
    (passage,) = column(tables, "passage")
    assert "<EMAIL_ADDRESS>" in str(passage)
    assert "jo@" not in str(passage)


def test_rows_are_told_older_from_younger_by_the_benchmark_that_they_hold(tmp_path: Path) -> None:
    against = [*files(tmp_path, ITEM, name="old.jsonl"), *files(tmp_path, {"question": OTHER}, name="new.jsonl")]
    released = {"old.jsonl": "2020-06-15", "new.*": "2022-01-01"}
    rows = [
        {"text": QUESTION, "date": "2021-03-01T10:00:00"},
        {"text": OTHER, "date": "2021-03-01"},
        {"text": "Other things", "meta": {"published": "2020-06-16"}},
        {"text": "Other things too", "date": "2020"},
        {"text": QUESTION},
    ]
    tables, found = run(stream_of(rows, scratch=tmp_path / "s"), against=against, released=released)
    assert column(tables, "after") == [1, 0, 1, None, None]
    told = cast("list[str]", found["sentences"])
    assert "old.jsonl, released 2020-06-15: 3 of 4 rows with a date (75.0%) are younger; 1 rows have no date." in told
    assert "new.jsonl, released 2022-01-01: 0 of 4 rows with a date (0.0%) are younger; 1 rows have no date." in told


def test_without_a_release_no_row_is_older_or_younger(tmp_path: Path) -> None:
    stream = stream_of([{"text": QUESTION, "date": "2021-03-01"}], scratch=tmp_path / "s")
    assert column(run(stream, against=files(tmp_path, ITEM))[0], "after") == [None]


def test_what_is_found_lists_near_leaks_apart(tmp_path: Path) -> None:
    part = " ".join(QUESTION.split()[:9])
    stream = stream_of([chat(QUESTION, ""), chat(part, "")], scratch=tmp_path / "s")
    _, found = run(stream, against=files(tmp_path, ITEM))
    benchmarks, above, near = cast("list[dict[str, list[list[object]]]]", found["tables"])
    first, second = ids_of(stream)
    assert benchmarks["rows"] == [
        ["evals.jsonl", "answer", 1, 0, 0, 0, 0, 0, 0],
        ["evals.jsonl", "id", 1, 1, 0, 0, 0, 0, 0],
        ["evals.jsonl", "question", 1, 0, 0, 1, 1, 1, 1],
    ]
    assert [row[:3] for row in above["rows"]] == [[1.0, first, "evals.jsonl:1 question"]]
    assert [row[:3] for row in near["rows"]] == [[0.4091, second, "evals.jsonl:1 question"]]
    told = "evals.jsonl: 1 of 1 rows of the benchmark overlap beyond 0.5 with 1 of 2 rows."
    assert told in cast("list[str]", found["sentences"])
    json.dumps(found)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"n": 3}, "n: 3 is too small"),
        ({"shortest": 2}, "shortest: 2 is too small"),
        ({"common": 0}, "common: 0 is too small"),
        ({"released": "yesterday"}, "released: 'yesterday' is no date"),
        ({"released": {"a": "2020-13-01"}}, "released: '2020-13-01' is no date"),
    ],
)
def test_numbers_and_dates_are_checked_before_any_work(options: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check(against=[], **options)  # type: ignore[arg-type]  # by name


def test_a_release_of_no_benchmark_is_a_mistake(tmp_path: Path) -> None:
    stream = stream_of(texts(QUESTION), scratch=tmp_path / "s")
    with pytest.raises(UserError, match=r"'gsm8k' is no benchmark.*\n.*evals\.jsonl"):
        run(stream, against=files(tmp_path, ITEM), released={"gsm8k": "2021-01-01"})


def test_workers_and_the_cut_into_shards_change_nothing(tmp_path: Path) -> None:
    rows = [
        chat(QUESTION, str(number)) if number % 7 == 0 else {"text": f"{OTHER} {number} {ANSWER}"}
        for number in range(60)
    ]
    against = files(tmp_path, ITEM, {"question": OTHER})
    shards = [rows[start : start + 10] for start in range(0, 60, 10)]
    one = run(stream_of(*shards, scratch=tmp_path / "one"), against=against)
    two = run(stream_of(*shards, scratch=tmp_path / "two", workers=2), against=against)
    whole = run(stream_of(rows, scratch=tmp_path / "whole"), against=against)
    assert one == two
    assert pa.concat_tables(one[0]) == pa.concat_tables(whole[0])
    assert one[1] == whole[1]


def flagged(folder: Path, given: Sequence[str], rows: Sequence[dict[str, str]], n: int) -> np.ndarray:
    stream = stream_of(texts(*given), scratch=folder / f"s{n}")
    measured = column(run(stream, against=files(folder, *rows), n=n)[0], "overlap")
    bound = parse_bound(KEEP["overlap"], "test")
    return np.array([bound.fault(cast(float, overlap)) is not None for overlap in measured])


@pytest.mark.parametrize("n", [8, 13])
def test_leaks_in_four_forms_are_told_from_texts_that_look_like_them(tmp_path: Path, n: int) -> None:
    data = shared("gsm8k").parent
    for name in ("humaneval", "ebooks", "eips", "dolly15k", "code_thealgorithms.zip"):
        shared(name)
    rows = problems(data)[1::2]  # the half that chose no setting
    given = labelled(data, rows, most=60, seed=11)
    found = flagged(tmp_path, [one.text for one in given], rows, n)
    leaks = np.array([one.is_leak for one in given])
    assert {one.kind for one in given} == {*FORMS, *FAMILIES}
    assert found[leaks].mean() >= 0.9
    assert leaks[found].mean() >= 0.99
