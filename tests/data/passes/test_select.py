"""A selection takes the best rows by their signals, and leaves out what is too like a better one."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from tests.data.passes.ending import ended, with_signals
from tests.data.passes.stream_toys import Rows, column, stream_of, texts
from tests.shared import shared

from tunesmith.core.errors import UserError
from tunesmith.data.passes import _exchange, _nearest
from tunesmith.data.passes.select import check, keep, select
from tunesmith.data.stream import Stream

Numbers = list[float | None]


def scored(folder: Path, *shards: Rows, workers: int = 1, **signals: Numbers) -> Stream:
    """A stream of these rows with signals."""
    arrays = {name: pa.array(values, pa.float64()) for name, values in signals.items()}
    return with_signals(stream_of(*shards, scratch=folder, workers=workers), **arrays)


def ranks(tables: Sequence[pa.Table]) -> list[int]:
    return cast(list[int], column(tables, "rank"))


DIFFERENT = texts("red apples", "green pears", "blue plums", "ripe figs", "sour limes")


def test_rows_are_ranked_by_the_weighted_mean_of_their_ranks(tmp_path: Path) -> None:
    stream = scored(tmp_path, DIFFERENT, good=[1.0, 2.0, 2.0, 50.0, None], bad=[9.0, 1.0, 2.0, 3.0, 4.0])
    tables, _ = ended(select(stream, rows=2, by={"good": 2, "bad": -1}))
    good, bad = [0.125, 0.5, 0.5, 0.875, 0.0], [0.1, 0.9, 0.7, 0.5, 0.3]
    expected = [(2 * one + other) / 3 for one, other in zip(good, bad, strict=True)]
    assert column(tables, "score") == pytest.approx(expected, abs=1e-8)
    assert ranks(tables) == [3, 1, 2, 0, 4]


def test_the_bound_keeps_as_many_as_asked() -> None:
    assert keep(rows=20, by=["good"]) == {"rank": {"below": 20}}


def test_a_row_like_a_better_one_gives_way_to_a_worse_one(tmp_path: Path) -> None:
    given = texts("Load the red file now.", "load the RED file, now", "Bake bread slowly", "Prune roses in winter")
    stream = scored(tmp_path, given, good=[4.0, 3.0, 2.0, 1.0])
    tables, found = ended(select(stream, rows=2, by=["good"]))
    assert ranks(tables) == [0, 2, 1, 3]
    assert column(tables, "nearest")[1] == 1.0
    assert column(tables, "nearest")[2] < 0.3  # type: ignore[operator]  # a number
    alone, _ = ended(
        select(scored(tmp_path / "alone", given, good=[4.0, 3.0, 2.0, 1.0]), rows=2, by=["good"], diversity=0)
    )
    assert ranks(alone) == [0, 1, 2, 3]
    assert cast(Mapping[str, list[float]], found["chosen"])["nearest"][1] == 0.5


def test_likeness_gives_way_only_when_there_is_nothing_else(tmp_path: Path) -> None:
    given = texts(*["the same words again"] * 4, "a text of its own")
    tables, found = ended(select(scored(tmp_path, given, good=[5.0, 4.0, 3.0, 2.0, 1.0]), rows=4, by=["good"]))
    assert sorted(ranks(tables)) == [0, 1, 2, 3, 4]
    assert ranks(tables)[0] == 0
    assert ranks(tables)[4] == 1
    assert "At last any were taken, however alike." in cast(list[str], found["sentences"])


def test_rows_outside_the_pool_have_its_size_as_their_rank(tmp_path: Path) -> None:
    tables, _ = ended(select(scored(tmp_path, DIFFERENT, good=[1.0, 5.0, 2.0, 4.0, 3.0]), rows=1, by=["good"], pool=2))
    assert ranks(tables) == [2, 0, 2, 1, 2]


def test_a_missing_value_is_the_worst_and_is_told(tmp_path: Path) -> None:
    stream = scored(tmp_path, DIFFERENT, bad=[1.0, None, 3.0, None, 2.0])
    tables, found = ended(select(stream, rows=3, by={"bad": -1}))
    assert [rank < 3 for rank in ranks(tables)] == [True, False, True, False, True]
    assert "2 records have no bad, and got the worst rank in it." in cast(list[str], found["sentences"])


def test_there_may_be_fewer_rows_than_asked_or_none(tmp_path: Path) -> None:
    assert sorted(
        ranks(ended(select(scored(tmp_path / "few", DIFFERENT, good=[1.0] * 5), rows=9, by=["good"]))[0])
    ) == [0, 1, 2, 3, 4]
    none, _ = ended(select(scored(tmp_path / "none", [], [], good=[]), rows=9, by=["good"]))
    assert [table.num_rows for table in none] == [0, 0]


def made(count: int) -> tuple[Rows, dict[str, Numbers]]:
    """Rows about twelve things, some of them alike, with two signals."""
    draw = random.Random(4)
    about = [[f"t{topic}w{n}" for n in range(12)] for topic in range(12)]
    rows = texts(*(" ".join(draw.choices(draw.choice(about), k=draw.randint(3, 9))) for _ in range(count)))
    return rows, {
        "good": [round(draw.random(), 2) for _ in range(count)],
        "bad": [draw.choice([None, draw.random()]) for _ in range(count)],
    }


def test_shards_workers_partitions_and_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, signals = made(300)
    by = {"good": 1.0, "bad": -0.5}
    one, found = ended(select(scored(tmp_path / "one", rows, **signals), rows=40, by=by, pool=5))
    monkeypatch.setattr(_exchange, "PARTITION_ROWS", 30)
    monkeypatch.setattr(_nearest, "BLOCK", 16)
    shards = [rows[start : start + 70] for start in range(0, 300, 70)]
    many, again = ended(select(scored(tmp_path / "many", *shards, workers=2, **signals), rows=40, by=by, pool=5))
    assert column(many, "score") == column(one, "score")
    chosen = [[rank < 40 for rank in ranks(tables)] for tables in (one, many)]
    assert chosen[0] == chosen[1]
    assert ranks(many) == ranks(one)
    assert again == found


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rows": 0, "by": ["a"]}, "0 rows"),
        ({"rows": 1, "by": []}, "names no signal"),
        ({"rows": 1, "by": {"a": 0.0}}, "by nothing"),
        ({"rows": 1, "by": ["a"], "diversity": 2.0}, "diversity is 2"),
    ],
)
def test_nothing_to_choose_by_is_a_mistake(options: dict[str, object], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        check(**options)  # type: ignore[arg-type]  # by name


def test_a_signal_that_nothing_measures_is_a_mistake(tmp_path: Path) -> None:
    stream = scored(tmp_path, DIFFERENT, quality=[1.0] * 5)
    with pytest.raises(UserError, match="measures 'qualty'") as mistake:
        ended(select(stream, rows=1, by=["qualty"]))
    assert "'quality'" in str(mistake.value.hint)


def test_on_real_instructions_the_chosen_differ_more_at_little_loss_of_score(tmp_path: Path) -> None:
    """Measured by whole tf-idf vectors in plain Python, not by those that the pass compares."""
    with gzip.open(shared("dolly15k") / "dolly.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:4000]
    given = texts(*(f"{row['instruction']} {row['context']} {row['response']}" for row in rows))
    length: Numbers = [float(len(row["response"].split())) for row in rows]
    results = {}
    for diversity in (0.0, 0.8):
        stream = scored(tmp_path / str(diversity), given, length=length)
        tables, found = ended(select(stream, rows=200, by=["length"], diversity=diversity))
        chosen = [str(row["text"]) for row, rank in zip(given, ranks(tables), strict=True) if rank < 200]
        results[diversity] = mean_nearest(chosen), cast(Mapping[str, list[float]], found["chosen"])["score"][0]
    (alike, best), (varied, score) = results[0.0], results[0.8]
    assert varied < 0.9 * alike
    assert score > best - 0.03


def mean_nearest(chosen: Sequence[str]) -> float:
    """The mean cosine of each text with the nearest other, by tf-idf of words."""
    counts = [Counter(text.lower().split()) for text in chosen]
    having = Counter(word for each in counts for word in each)
    vectors = [{word: n * math.log(len(chosen) / having[word]) for word, n in each.items()} for each in counts]
    units = [
        {word: value / norm for word, value in each.items()} for each in vectors if (norm := math.hypot(*each.values()))
    ]
    nearest = [
        max(sum(value * other.get(word, 0.0) for word, value in one.items()) for other in units if other is not one)
        for one in units
    ]
    return float(np.mean(nearest))
