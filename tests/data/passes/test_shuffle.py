"""A shuffle keeps every record whole and follows from the seed and the ids alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from tests.data.passes.stream_toys import Rows, Shards, stream_of

from tunesmith.data.dataset import Dataset
from tunesmith.data.passes import shuffle as module
from tunesmith.data.passes.shuffle import shuffle
from tunesmith.data.stream import Stream

GIVEN = [[{"text": f"text {n}", "meta": {"n": n}} for n in range(start, start + 70)] for start in range(0, 420, 70)]


@dataclass(frozen=True)
class Whole(Shards):
    """Tables in memory with the columns that all of them have."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.tables[0].column_names)


def whole(*shards: Rows, scratch: Path, workers: int = 1, seed: int = 7) -> Stream:
    stream = stream_of(*shards, scratch=scratch, workers=workers, seed=seed)
    return replace(stream, dataset=cast(Dataset, Whole(cast(Shards, stream.dataset).tables)))


def rows_of(tables: list[pa.Table]) -> list[dict[str, object]]:
    return pa.concat_tables(tables).to_pylist()


def test_every_record_is_there_once_and_whole(tmp_path: Path) -> None:
    stream = whole(*GIVEN, scratch=tmp_path)
    before = rows_of([stream.read(shard, ("id", "text", "source", "origin", "meta")) for shard in stream.shards])
    after = rows_of(list(shuffle(stream)))
    assert [row["id"] for row in before] != [row["id"] for row in after]
    assert sorted(map(str, before)) == sorted(map(str, ({name: row.get(name) for name in before[0]} for row in after)))


def test_the_order_has_nothing_to_do_with_that_before(tmp_path: Path) -> None:
    places = [int(str(row["text"]).split()[1]) for row in rows_of(list(shuffle(whole(*GIVEN, scratch=tmp_path))))]
    rising = sum(one < other for one, other in pairwise(places))
    assert 170 < rising < 250  # about half of 419


def test_shards_and_workers_change_no_row_of_the_order_and_the_seed_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = list(shuffle(whole(*GIVEN, scratch=tmp_path / "a")))
    turned = list(shuffle(whole(*reversed(GIVEN), [], scratch=tmp_path / "b", workers=2)))
    other = list(shuffle(whole(*GIVEN, scratch=tmp_path / "c", seed=8)))
    monkeypatch.setattr(module, "SHARD_BYTES", 4000)
    many = list(shuffle(whole(*GIVEN, scratch=tmp_path / "d", workers=2)))
    assert len(one) == 1
    assert rows_of(one) == rows_of(turned) == rows_of(many) != rows_of(other)
    sizes = [table.num_rows for table in many]
    assert len(sizes) > 5
    assert max(sizes) < 2 * min(sizes)


def test_a_list_without_rows_stays_one(tmp_path: Path) -> None:
    stream = whole([{"text": "a"}], scratch=tmp_path)
    none = replace(stream, dataset=cast(Dataset, Whole((cast(Shards, stream.dataset).tables[0].slice(0, 0),))))
    [table] = shuffle(none)
    assert table.num_rows == 0
    assert "text" in table.column_names
