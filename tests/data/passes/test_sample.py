"""A sample is the same for the same seed, and a larger one holds the smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.passes.stream_toys import column, ids_of, stream_of, texts

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
