"""A split divides as the recipe says, and never parts what belongs together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from tests.data.passes.ending import ended, with_signals
from tests.data.passes.stream_toys import Rows, column, stream_of, texts

from tunesmith.core.errors import UserError
from tunesmith.data.passes import _exchange, _groups
from tunesmith.data.passes.split import check, keep, split

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


def test_records_in_groups_and_records_in_none_each_have_their_shares(tmp_path: Path) -> None:
    alone = texts(*(f"text {number}" for number in range(2000)))
    shards = [*grouped([1 + number % 9 for number in range(100)]), alone]
    parts = column(list(split(stream_of(*shards, scratch=tmp_path), parts=PARTS)), "part")
    for some in (parts[:-2000], parts[-2000:]):
        assert all(abs(Counter(some)[name] / len(some) - share) < 0.03 for name, share in PARTS.items())


def test_equal_texts_are_never_parted_even_in_different_groups(tmp_path: Path) -> None:
    rows = [{"text": f"Text {number // 2}" + "!" * (number % 2), "group": f"g{number}"} for number in range(60)]
    alone = texts(*(f"TEXT {number}" for number in range(30)))
    parts = column(list(split(stream_of(rows[:37], alone, rows[37:], scratch=tmp_path), parts=PARTS)), "part")
    of_rows, of_alone = parts[:37] + parts[67:], parts[37:67]
    assert of_rows[::2] == of_rows[1::2] == of_alone
    assert len(set(parts)) == 3


def test_every_stratum_is_divided_in_the_same_shares(tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "target": "abc"[n % 3] if n % 50 else "rare"} for n in range(1500)]
    parts = column(
        list(split(stream_of(rows[:700], rows[700:], scratch=tmp_path), parts=PARTS, stratify="target")), "part"
    )
    for domain in ("a", "b", "c", "rare"):
        some = Counter(part for row, part in zip(rows, parts, strict=True) if row["target"] == domain)
        assert all(abs(some[name] - share * some.total()) < 1 for name, share in PARTS.items())


def test_strata_of_whole_groups_come_as_near_as_groups_allow(tmp_path: Path) -> None:
    rows = [{"text": f"{n}", "group": f"g{n // 3}", "target": "ab"[n // 3 % 2]} for n in range(900)]
    alone = [{"text": f"alone {n}", "target": "a"} for n in range(100)]
    parts = column(list(split(stream_of([*rows, *alone], scratch=tmp_path), parts=PARTS, stratify="target")), "part")
    assert all(len(set(parts[start : start + 3])) == 1 for start in range(0, 900, 3))
    for domain, most in (("a", 1), ("b", 3)):
        some = Counter(part for row, part in zip([*rows, *alone], parts, strict=True) if row["target"] == domain)
        assert all(abs(some[name] - share * some.total()) <= most for name, share in PARTS.items())


def test_equal_texts_of_two_strata_are_not_parted(tmp_path: Path) -> None:
    shards = [[{"text": f"text {n}", "target": domain} for n in range(200)] for domain in ("a", "b")]
    parts = column(list(split(stream_of(*shards, scratch=tmp_path), parts=PARTS, stratify="target")), "part")
    assert parts[:200] == parts[200:]


@pytest.mark.parametrize("named", ["near_duplicates", "near_dedup"])
def test_near_duplicate_clusters_are_never_parted(tmp_path: Path, named: str) -> None:
    stream = stream_of(texts(*(f"text {n}" for n in range(300))), scratch=tmp_path)
    clusters = [f"c{n // 3}" if n < 150 else None for n in range(300)]
    parts = column(
        list(split(with_signals(stream, **{"near_dedup.cluster": pa.array(clusters)}), parts=PARTS, together=[named])),
        "part",
    )
    assert all(len(set(parts[start : start + 3])) == 1 for start in range(0, 150, 3))
    assert len(set(parts[:150])) == len(set(parts[150:])) == 3


def test_near_duplicates_that_no_step_has_found_are_a_mistake(tmp_path: Path) -> None:
    stream = with_signals(stream_of(texts("a"), scratch=tmp_path), words=pa.array([1]))
    with pytest.raises(UserError, match=r"near_duplicates.* no step"):
        list(split(stream, parts=PARTS, together=["near_duplicates"]))
    with pytest.raises(UserError, match="no column 'autor'"):
        list(split(stream, parts=PARTS, together=["autor"]))


def test_a_field_of_meta_keeps_together(tmp_path: Path) -> None:
    rows = [{"text": str(n), "thread": n // 4} for n in range(200)]
    parts = column(list(split(stream_of(rows, scratch=tmp_path), parts=PARTS, together=["meta.thread"])), "part")
    assert all(len(set(parts[start : start + 4])) == 1 for start in range(0, 200, 4))
    assert len(set(parts)) == 3


def test_what_was_found_counts_parts_and_names_the_largest_groups(tmp_path: Path) -> None:
    shards = [*grouped([60, *[1] * 140]), [{"text": "alone"}]]
    _, found = ended(split(stream_of(*shards, scratch=tmp_path), parts=PARTS))
    parts, largest = cast(Sequence[Mapping[str, Sequence[Sequence[object]]]], found["tables"])
    assert [row[0] for row in parts["rows"]] == list(PARTS)
    assert sum(cast(int, row[1]) for row in parts["rows"]) == 201
    assert sum(cast(int, row[4]) for row in parts["rows"]) == found["groups"] == 141
    assert largest["rows"][0] == ["group g0", 60, "train"]
    assert "1 of them, too large for another part, went to train" in str(found["sentences"])


def test_partitions_shards_and_folds_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {
            "text": f"text {n * n % 211}",
            "group": f"g{n % 37}" if n % 3 else None,
            "license": f"l{n % 41}" if n % 7 == 0 else None,
            "target": "abc"[n % 3],
        }
        for n in range(400)
    ]
    options: dict[str, object] = {"together": ["group", "license"], "stratify": "target"}
    one = list(split(stream_of(rows, scratch=tmp_path / "one"), parts=PARTS, **options))  # type: ignore[arg-type]  # by name
    monkeypatch.setattr(_exchange, "PARTITION_ROWS", 30)
    monkeypatch.setattr(_groups, "FOLD_ROWS", 10)
    cut = stream_of(*(rows[start : start + 60] for start in range(0, 400, 60)), scratch=tmp_path / "many", workers=2)
    assert column(list(split(cut, parts=PARTS, **options)), "part") == column(one, "part")  # type: ignore[arg-type]  # by name


def test_only_a_frozen_split_bounds_what_crosses(tmp_path: Path) -> None:
    assert keep(frozen=None) == {}
    assert keep(frozen="ours") == {"crosses": {"max": 0}}
    nowhere = list(split(stream_of(texts("a", "b"), scratch=tmp_path), parts=PARTS, frozen=str(tmp_path / "none")))
    assert column(nowhere, "crosses") == [0, 0]


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
