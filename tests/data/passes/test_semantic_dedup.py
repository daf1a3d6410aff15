"""Duplicates in meaning: what goes is like something that stays, by the model's own vectors."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from tests.data.passes.ending import ended
from tests.data.passes.stream_toys import column, ids_of, stream_of, texts
from tests.encoder import saved_encoder

from tunesmith.core.bound import Bound
from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.passes import _nearest, semantic_dedup
from tunesmith.data.stream import Stream
from tunesmith.models.embeddings import embeddings

LIMIT = 0.95


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> LocalPath:
    return LocalPath(str(saved_encoder(tmp_path_factory.mktemp("encoder"))))


def sentences(count: int) -> list[str]:
    """Sentences of random words, half of them an earlier one with a word put in another's place."""
    draw = random.Random(5)
    made: list[str] = []
    for number in range(count):
        words = draw.choice(made).split() if number % 2 else draw.choices([f"w{n}" for n in range(200)], k=12)
        words[draw.randrange(len(words))] = f"w{draw.randrange(200)}"
        made.append(" ".join(words))
    return made


GIVEN = sentences(120)


def stream(folder: Path, *, workers: int = 1, limit: float = LIMIT) -> Stream:
    given = stream_of(texts(*GIVEN[:50]), [], texts(*GIVEN[50:]), scratch=folder, workers=workers)
    return replace(given, keep={"similarity": Bound(below=limit)})


def measured(given: Stream, encoder: LocalPath) -> tuple[list[float], list[str | None]]:
    tables = list(semantic_dedup.semantic_dedup(given, model=encoder))
    return column(tables, "similarity"), column(tables, "survivor")  # type: ignore[return-value]  # of these types


def test_what_goes_is_like_one_that_stays_and_no_two_that_stay_are_alike(tmp_path: Path, encoder: LocalPath) -> None:
    given = stream(tmp_path)
    similarity, survivors = measured(given, encoder)
    vectors = embeddings(encoder, GIVEN)
    place = {name: number for number, name in enumerate(ids_of(given))}
    stays = [number for number, survivor in enumerate(survivors) if survivor is None]
    assert 20 < len(stays) < 110
    for number, survivor in enumerate(survivors):
        if survivor is not None:
            assert place[survivor] in stays
            assert len(GIVEN[place[survivor]]) >= len(GIVEN[number])
            assert similarity[number] == pytest.approx(float(vectors[number] @ vectors[place[survivor]]), abs=1e-5)
            assert similarity[number] >= LIMIT
    assert all(float(vectors[one] @ vectors[other]) < LIMIT + 1e-5 for one, other in combinations(stays, 2))


def test_a_bound_removes_just_what_has_a_survivor(tmp_path: Path, encoder: LocalPath) -> None:
    for limit in (0.9, 0.97):
        similarity, survivors = measured(stream(tmp_path / str(limit), limit=limit), encoder)
        bound = Bound(below=limit)
        assert [bound.fault(value) is None for value in similarity] == [survivor is None for survivor in survivors]


def test_a_record_without_a_text_is_not_measured_and_stays(tmp_path: Path, encoder: LocalPath) -> None:
    given = stream_of(texts("a red house", "", "a red house"), scratch=tmp_path)
    similarity, survivors = measured(given, encoder)
    assert similarity[1] is None
    assert survivors[1] is None
    assert sum(survivor is not None for survivor in survivors) == 1
    assert semantic_dedup.KEEP["similarity"]["missing"] == "keep"


def test_workers_and_blocks_change_nothing(tmp_path: Path, encoder: LocalPath, monkeypatch: pytest.MonkeyPatch) -> None:
    one = measured(stream(tmp_path / "one"), encoder)
    assert measured(stream(tmp_path / "two", workers=2), encoder) == one
    monkeypatch.setattr(_nearest, "BLOCK", 7)
    blocks = measured(stream(tmp_path / "blocks"), encoder)
    assert blocks[1] == one[1]
    np.testing.assert_allclose(blocks[0], one[0], atol=2e-6)


def test_in_clusters_the_report_says_how_many_neighbours_were_missed(
    tmp_path: Path, encoder: LocalPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantic_dedup, "CLUSTER_ROWS", 30)
    _, given = ended(semantic_dedup.semantic_dedup(stream(tmp_path), model=encoder))
    found = cast(Mapping[str, int], given)
    vectors = embeddings(encoder, GIVEN)
    near = [float(vectors[one] @ vectors[other]) >= LIMIT for one, other in combinations(range(len(GIVEN)), 2)]
    assert found["clusters"] == 4
    assert found["pairs"] == 2 * sum(near)  # each from both sides, as all records are in the sample
    assert 0.5 * found["pairs"] < found["pairs_in_one_cluster"] <= found["pairs"]


def test_vectors_are_worked_out_once_whatever_the_bound(
    tmp_path: Path, encoder: LocalPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    measured(replace(stream(tmp_path / "a"), cache=cache), encoder)
    monkeypatch.setattr("tunesmith.models.embeddings.embeddings", None)
    _, survivors = measured(replace(stream(tmp_path / "b", limit=0.99), cache=cache), encoder)
    assert any(survivors)


def test_a_bound_from_below_is_a_mistake(tmp_path: Path, encoder: LocalPath) -> None:
    given = replace(stream(tmp_path), keep={"similarity": Bound(min=0.5)})
    with pytest.raises(UserError, match="Bound it from above"):
        measured(given, encoder)
