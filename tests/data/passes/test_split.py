"""A split divides as the recipe says, and never parts what belongs together."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from tests.data.passes.stream_toys import Rows, column, stream_of, texts

from tunesmith.core.errors import UserError
from tunesmith.data.passes.split import check, split

PARTS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def grouped(sizes: list[int]) -> list[Rows]:
    """Rows in groups of these sizes, dealt to four shards in turn."""
    rows = [{"text": f"{group} {row}", "group": f"g{group}"} for group, size in enumerate(sizes) for row in range(size)]
    return [rows[start::4] for start in range(4)]


def test_groups_stay_together_and_the_parts_have_their_shares(tmp_path: Path) -> None:
    shards = grouped([1 + number % 9 for number in range(100)])
    parts = column(list(split(stream_of(*shards, scratch=tmp_path), parts=PARTS)), "part")
    sides = defaultdict(set)
    for row, part in zip((row for shard in shards for row in shard), parts, strict=True):
        sides[row["group"]].add(part)
    assert all(len(side) == 1 for side in sides.values())
    counts = Counter(parts)
    assert all(abs(counts[name] / len(parts) - share) < 0.02 for name, share in PARTS.items())


def test_a_group_that_would_fill_a_part_goes_to_the_first(tmp_path: Path) -> None:
    shards = grouped([60, *[1] * 140])
    for seed in range(5):
        parts = list(split(stream_of(*shards, scratch=tmp_path, seed=seed), parts=PARTS))
        large = [
            part
            for shard, table in zip(shards, parts, strict=True)
            for row, part in zip(shard, table["part"].to_pylist(), strict=True)
            if row["group"] == "g0"
        ]
        assert set(large) == {"train"}
        assert Counter(column(parts, "part")) == {"train": 160, "validation": 20, "test": 20}


def test_records_without_a_group_go_by_content_so_equal_ones_stay_together(tmp_path: Path) -> None:
    given = [f"text {number}" for number in range(2000)]
    parts = column(list(split(stream_of(texts(*given), texts(*given), scratch=tmp_path), parts=PARTS)), "part")
    assert parts[:2000] == parts[2000:]
    assert all(abs(Counter(parts)[name] / 4000 - share) < 0.03 for name, share in PARTS.items())


def test_a_record_without_a_group_keeps_its_part_when_others_come(tmp_path: Path) -> None:
    few = column(list(split(stream_of(texts("a", "b", "c"), scratch=tmp_path), parts=PARTS)), "part")
    more = column(list(split(stream_of(texts("x", "y"), texts("a", "b", "c"), scratch=tmp_path), parts=PARTS)), "part")
    assert more[2:] == few


def test_two_columns_that_keep_together_do_so_through_one_another(tmp_path: Path) -> None:
    rows = [{"text": str(n), "group": f"g{n // 2}", "license": f"l{(n + 1) // 2}"} for n in range(40)]
    chained = list(split(stream_of(rows, scratch=tmp_path), parts=PARTS, together=["group", "license"]))
    assert len(set(column(chained, "part"))) == 1


def test_workers_change_nothing_and_the_seed_does(tmp_path: Path) -> None:
    shards = grouped([1 + number % 5 for number in range(60)])
    one = list(split(stream_of(*shards, scratch=tmp_path), parts=PARTS))
    assert one == list(split(stream_of(*shards, scratch=tmp_path, workers=2), parts=PARTS))
    assert one != list(split(stream_of(*shards, scratch=tmp_path, seed=8), parts=PARTS))


@pytest.mark.parametrize("parts", [{"train": 0.8, "test": 0.4}, {"train": 1.2, "test": -0.2}, {}])
def test_parts_that_are_no_division_of_a_whole_are_a_mistake(tmp_path: Path, parts: dict[str, float]) -> None:
    with pytest.raises(UserError, match="add up to"):
        check(parts=parts)
    with pytest.raises(UserError, match="add up to"):
        list(split(stream_of(texts("a"), scratch=tmp_path), parts=parts))
