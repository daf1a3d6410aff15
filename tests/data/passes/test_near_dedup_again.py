"""A new threshold for near_dedup is decided from what was worked out before."""

from __future__ import annotations

import random
from pathlib import Path

from tests.data.passes.stream_toys import column, stream_of, texts

from tunesmith.core.bound import Bound
from tunesmith.data.passes.near_dedup import near_dedup
from tunesmith.data.stream import Stream


def removed(below: float, scratch: Path, cache: Path) -> list[object]:
    draw = random.Random(6)
    page = [f"w{number}" for number in range(60)]
    given = [" ".join(draw.choices(page, k=3) + page[cut:]) for cut in range(0, 20, 2)]
    plain = stream_of(texts(*given[:4]), texts(*given[4:]), scratch=scratch)
    keep = {"similarity": Bound(below=below)}
    return column(
        list(near_dedup(Stream(plain.dataset, plain.executor, plain.scratch, 7, None, keep, cache))), "survivor"
    )


def written(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}


def test_a_new_threshold_reads_the_signatures_of_the_last_one_and_decides_as_if_there_were_none(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    removed(0.9, tmp_path / "first", cache)
    before = written(cache)
    assert any(path.name.startswith("signatures") for path in before)
    again = removed(0.6, tmp_path / "second", cache)
    assert written(cache) == before
    assert again == removed(0.6, tmp_path / "third", tmp_path / "another cache")
    assert any(name is not None for name in again)
