"""Preference pairs from rankings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.data.data_toys import HELLO, HI, batch_of, op
from tests.running import rows_of, run, write_recipe, write_rows

from tunesmith.data.funnel import funnel
from tunesmith.data.makers.rankings import rankings
from tunesmith.data.measure import apply

Pairs = list[tuple[str, str, float | None]]


def made(meta: dict[str, Any], **options: Any) -> Pairs:
    found = rankings({"text": "Which?", "meta": meta}, **options)
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"]) for row in found]  # type: ignore[index]


def test_a_ranking_in_words_makes_all_pairs_but_those_of_ties() -> None:
    meta = {"answers": ["a", "b", "c", "d"], "ranking": "A2 > a1=3 > A4"}
    assert sorted(pair[:2] for pair in made(meta)) == [("a", "d"), ("b", "a"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert {("b", "d", 1.0), ("a", "d", 0.5)} < set(made(meta, margin=0.5))
    assert made({"answers": ["a", "b"], "ranking": "A1 = A2"}) == []


def test_ranks_and_ratings_are_told_apart_by_which_is_best() -> None:
    meta = {"answers": ["a", "b", "c"], "ranking": [1, 2, 2]}
    assert made(meta, best="lowest") == [("a", "b", None), ("a", "c", None)]
    assert made(meta, best="highest", margin=2) == [("b", "a", 2.0), ("c", "a", 2.0)]
    rated = {"completions": [{"response": "a", "score": 1.5}, {"response": "b", "score": 4}]}
    options = {"answers": "completions", "text": "response", "ranking": "score", "best": "highest", "margin": 1}
    assert made(rated, **options) == [("b", "a", 2.5)]


def test_pairs_of_a_prompt_share_a_group_and_keep_what_else_is_known() -> None:
    meta = {"answers": ["a", "b", "c"], "ranking": "A1 > A2 > A3", "rater": 7}
    one, two, three = rankings({"text": "Which?", "meta": meta})
    again = next(rankings({"text": "Which?", "meta": {**meta, "ranking": "A3 > A2 > A1"}}))
    other = next(rankings({"text": "What?", "meta": meta}))
    assert one["group"] == two["group"] == three["group"] == again["group"] != other["group"]
    assert one["meta"] == {"rater": 7}
    named = next(rankings({"messages": [HI], "group": "g", "meta": meta}))
    assert (named["group"], named["messages"]) == ("g", [HI])


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"answers": ["a"], "ranking": "A1"}, "at least two answers"),
        ({"answers": ["a", " "], "ranking": "A1 > A2"}, "has no text"),
        ({"answers": ["a", "b"]}, "neither a text nor a number"),
        ({"answers": ["a", "b", "c"], "ranking": "A1 > A2"}, "A3 is missing"),
        ({"answers": ["a", "b"], "ranking": "A1 > A2 > A1"}, "better than itself"),
        ({"answers": ["a", "b"], "ranking": "A1 > A3 > A2"}, "A3 is of no answer"),
        ({"answers": ["a", "b"], "ranking": "A1 < A2"}, "where an answer such as A1 belongs"),
        ({"answers": ["a", "b"], "ranking": [1, 2]}, "highest or lowest"),
    ],
)
def test_a_malformed_ranking_says_what_is_wrong(meta: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        made(meta)


@pytest.mark.parametrize("number", [None, True, "2", float("nan")])
def test_what_is_no_number_ranks_nothing(number: object) -> None:
    with pytest.raises(ValueError, match="of answer 2 is"):
        made({"answers": ["a", "b"], "ranking": [1, number]}, best="lowest")


def test_answers_to_a_chat_that_has_one_already_are_refused() -> None:
    with pytest.raises(ValueError, match="end with an answer"):
        list(rankings({"messages": [HI, HELLO], "meta": {"answers": ["a", "b"], "ranking": "1 > 2"}}))


def test_every_row_is_accounted_for_and_margins_become_a_column() -> None:
    batch = batch_of(
        {"text": "Q", "meta": {"answers": ["a", "b", "c"], "ranking": "A1 > A2 = A3"}},
        {"text": "R", "meta": {"answers": ["a", "b"], "ranking": "A1 = A2"}},
        {"text": "S", "meta": {"answers": ["a", "b"], "ranking": "A1"}},
    )
    applied = apply(batch, [op("make", "rankings", margin=1.5)])
    assert applied.made == 2
    assert [why for _, _, why in applied.dropped] == ["became 2 records", "nothing made"]
    assert "A2 is missing" in str(applied.quarantined[0]["error"])
    assert applied.batch["margin"].to_pylist() == [1.5, 1.5]
    assert batch.num_rows + applied.made == applied.batch.num_rows + len(applied.dropped) + len(applied.quarantined)


RECIPE = """
name: ranked
quarantine: {max: 1}
data:
  pairs:
    - {source: jsonl, path: ranked.jsonl, text: prompt, license: CC0-1.0}
    - {make: rankings}
    - {pass: split, parts: {train: 0.5, test: 0.5}}
"""


def test_a_split_keeps_the_pairs_of_a_prompt_together_and_loses_none(tmp_path: Path) -> None:
    rows = [{"prompt": f"Q{i}", "answers": ["x", "y", "z"], "ranking": "A3 > A1 > A2"} for i in range(40)]
    write_rows(tmp_path / "ranked.jsonl", [*rows, {"prompt": "Q", "answers": ["x", "y"], "ranking": "best: A1"}])
    outcome = run(write_recipe(tmp_path, RECIPE), tmp_path / "ws", workers=1)
    counts = funnel(outcome.lists["pairs"])
    assert (counts.read, counts.made, counts.kept, counts.quarantined) == (41, 120, 120, 1)
    parts: dict[object, set[object]] = {}
    for row in rows_of(outcome, "pairs"):
        parts.setdefault(row["group"], set()).add(row["part"])
    assert len(parts) == 40
    assert all(len(part) == 1 for part in parts.values())
    assert {part for each in parts.values() for part in each} == {"train", "test"}


def test_margins_of_a_source_become_a_column_of_pairs_only(tmp_path: Path) -> None:
    pair = {"prompt": "Q", "chosen": "a", "rejected": "b", "margin": 2}
    write_rows(tmp_path / "pairs.jsonl", [pair])
    write_rows(tmp_path / "texts.jsonl", [{"text": "a page", "margin": "wide"}])
    sources = "{source: chats, path: pairs.jsonl}", "{source: jsonl, path: texts.jsonl}"
    text = f"name: both\ndata:\n  pairs:\n    - {sources[0]}\n  texts:\n    - {sources[1]}\n"
    outcome = run(write_recipe(tmp_path, text), tmp_path / "ws", workers=1)
    assert rows_of(outcome, "pairs")[0]["margin"] == 2.0
    assert "wide" in str(rows_of(outcome, "texts")[0]["meta"])
