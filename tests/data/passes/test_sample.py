"""A sample is the same for the same seed, and a larger one holds the smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.passes.stream_toys import Rows, column, ids_of, stream_of, texts

from tunesmith.core.errors import UserError
from tunesmith.data.passes import _exchange
from tunesmith.data.passes.sample import keep, sample

SHARDS = [texts(*(f"text {number}" for number in range(start, start + 40))) for start in range(0, 200, 40)]


def test_every_record_has_a_rank_of_its_own_and_the_bound_keeps_the_first() -> None:
    assert keep(rows=20) == {"rank": {"below": 20}}


def test_ranks_are_all_different_and_do_not_follow_the_order_of_the_rows(tmp_path: Path) -> None:
    ranks = column(list(sample(stream_of(*SHARDS, scratch=tmp_path), rows=20)), "rank")
    assert sorted(ranks) == list(range(200))  # type: ignore[type-var]
    assert 10 < sum(rank < 100 for rank in ranks[:40]) < 30  # type: ignore[operator]


def test_the_same_seed_draws_the_same_sample_wherever_a_row_stands(tmp_path: Path) -> None:
    stream = stream_of(*SHARDS, scratch=tmp_path / "a")
    turned = stream_of(*reversed(SHARDS), scratch=tmp_path / "b", workers=2)
    other = stream_of(*SHARDS, scratch=tmp_path / "c", seed=8)
    ranks = dict(zip(ids_of(stream), column(list(sample(stream, rows=20)), "rank"), strict=True))
    assert ranks == dict(zip(ids_of(turned), column(list(sample(turned, rows=99)), "rank"), strict=True))
    assert list(ranks.values()) != column(list(sample(other, rows=20)), "rank")


def test_partitions_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = list(sample(stream_of(*SHARDS, scratch=tmp_path / "one"), rows=20))
    monkeypatch.setattr(_exchange, "PARTITION_ROWS", 30)
    assert list(sample(stream_of(*SHARDS, scratch=tmp_path / "many"), rows=20)) == one


def classes(*counts: tuple[str, int]) -> Rows:
    return [
        {"text": f"{label} {number}", "meta": {"label": label}} for label, count in counts for number in range(count)
    ]


def test_each_class_has_an_order_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [classes(("a", 12), ("b", 3)), classes(("c", 1), ("a", 8))]
    ranks = column(list(sample(stream_of(*shards, scratch=tmp_path / "one"), rows=5, each="meta.label")), "rank")
    assert sorted([*ranks[:12], *ranks[16:]]) == list(range(20))  # type: ignore[type-var]
    assert (sorted(ranks[12:15]), ranks[15]) == ([0, 1, 2], 0)  # type: ignore[type-var]
    assert any(rank < 5 for rank in ranks[16:])  # type: ignore[operator]  # both shards' rows of a take part
    monkeypatch.setattr(_exchange, "PARTITION_ROWS", 4)
    many = sample(stream_of(*shards, scratch=tmp_path / "many"), rows=5, each="meta.label")
    assert column(list(many), "rank") == ranks


def test_records_without_a_class_are_one_class(tmp_path: Path) -> None:
    rows = [*classes(("a", 4)), *texts("one", "two", "three")]
    ranks = column(list(sample(stream_of(rows, scratch=tmp_path), rows=2, each="meta.label")), "rank")
    assert (sorted(ranks[:4]), sorted(ranks[4:])) == ([0, 1, 2, 3], [0, 1, 2])  # type: ignore[type-var]


def test_a_class_that_nothing_gives_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sample: there is no column 'labels'"):
        list(sample(stream_of(*SHARDS, scratch=tmp_path), rows=2, each="labels"))
