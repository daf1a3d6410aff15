"""Membership: models that are trained here on half of the texts give that half away, and fresh ones give nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from tests.data.passes.membership_toys import chunks_of, generated, save_model
from tests.data.passes.stream_toys import column, stream_of, texts
from tests.running import rows_of, write_recipe, write_rows
from tests.running import run as run_recipe
from tests.shared import shared

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath
from tunesmith.data.likelihood import SCORES
from tunesmith.data.passes.membership import MEASURES, check, membership
from tunesmith.data.stream import Measured

HALF = 80  # of the texts; as many again are unseen
Found = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Trained:
    """A model that has seen half of the texts, and one of the same kind that has seen nothing."""

    members: Sequence[str]
    unseen: Sequence[str]
    model: LocalPath
    fresh: LocalPath


def trained(folder: Path, every: Sequence[str]) -> Trained:
    members, unseen = every[:HALF], every[HALF:]
    model = save_model(folder / "trained", every, members, epochs=14, seed=0)
    fresh = save_model(folder / "fresh", every, [], epochs=0, seed=0)
    return Trained(members, unseen, LocalPath(model), LocalPath(fresh))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("toy"), generated(count=2 * HALF, seed=0))


def run(measured: Measured) -> tuple[list[pa.Table], Found]:
    """The tables of a pass, and what it found."""
    tables: list[pa.Table] = []
    try:
        while True:
            tables.append(next(measured))
    except StopIteration as ended:
        return tables, cast(Found, ended.value)


def known(case: Trained, model: LocalPath, folder: Path, *, workers: int = 1) -> tuple[list[pa.Table], Found]:
    """The pass over a list of both halves with an empty text among them, cut into two shards."""
    own = stream_of(
        texts(*case.members[:50], ""), texts(*case.members[50:], *case.unseen), scratch=folder / "a", workers=workers
    )
    unseen = stream_of(texts(*case.unseen), scratch=folder / "b")
    seen = stream_of(texts(*case.members[:20]), texts(*case.members[20:]), scratch=folder / "c")
    return run(membership(own, model=model, unseen=unseen, seen=seen))


def test_an_over_trained_model_gives_away_what_it_has_seen(toy: Trained, tmp_path: Path) -> None:
    tables, found = known(toy, toy.model, tmp_path)
    areas = found["known"]
    assert areas["membership"]["low"] >= 0.8
    assert all(areas[name]["low"] >= 0.8 for name in SCORES)
    assert found["gain"]["low"] > 0.1  # type: ignore[operator]  # a number's fields
    judged = [value for value in column(tables, "membership") if value is not None]
    members, others = judged[:HALF], judged[HALF:]
    assert sum(cast(list[float], members)) / HALF > 0.8 > 0.2 > sum(cast(list[float], others)) / HALF


def test_a_model_that_has_seen_nothing_gives_nothing_away(toy: Trained, tmp_path: Path) -> None:
    _, found = known(toy, toy.fresh, tmp_path)
    for name in ("membership", "min_k_plus_plus"):
        assert found["known"][name]["low"] <= 0.5 <= found["known"][name]["high"]
    assert any("does not lie above 0.5" in sentence for sentence in cast(list[str], found["sentences"]))


def test_members_against_members_are_told_apart_by_nothing(toy: Trained, tmp_path: Path) -> None:
    one, other = texts(*toy.members[: HALF // 2]), texts(*toy.members[HALF // 2 :])
    seen, unseen = stream_of(one, scratch=tmp_path / "a"), stream_of(other, scratch=tmp_path / "b")
    _, found = run(membership(seen, model=toy.model, unseen=unseen, seen=seen))
    assert all(found["known"][name]["low"] <= 0.5 for name in ("membership", *SCORES))
    assert any("does not lie above 0.5" in sentence for sentence in cast(list[str], found["sentences"]))


def test_lists_of_different_kinds_are_told_apart_without_the_model_and_that_is_said(
    toy: Trained, tmp_path: Path
) -> None:
    seen = stream_of(texts(*generated(count=60, seed=5)), scratch=tmp_path / "a")
    unseen = stream_of(texts(*(text.upper()[:90] for text in generated(count=60, seed=6))), scratch=tmp_path / "b")
    _, found = run(membership(seen, model=toy.fresh, unseen=unseen, seen=seen))
    blind = found["known"]["words and lengths, without the model"]
    assert blind["low"] > 0.9
    assert any("says nothing of membership" in sentence for sentence in cast(list[str], found["sentences"]))


def test_a_p_value_is_the_share_of_the_unseen_that_scores_as_high(toy: Trained, tmp_path: Path) -> None:
    own = stream_of(texts(*toy.members[:5], ""), scratch=tmp_path / "a")
    unseen = stream_of(texts(*toy.unseen[:30]), texts(*toy.unseen[30:]), scratch=tmp_path / "b")
    tables, found = run(membership(own, model=toy.model, unseen=unseen))
    reference = column(run(membership(unseen, model=toy.model, unseen=unseen))[0], "min_k_plus_plus")
    scores, p_values = column(tables, "min_k_plus_plus"), column(tables, "p_value")
    for score, p_value in zip(scores[:5], p_values[:5], strict=True):
        higher = sum(cast(float, other) >= cast(float, score) for other in reference)
        assert p_value == pytest.approx((higher + 1) / (HALF + 1))
    assert p_values[5] is None
    assert tables[0].column_names == list(MEASURES)
    assert column(tables, "membership") == [None] * 6
    assert found["measured"] == 5
    assert "known" not in found


def test_two_workers_and_fewer_shards_give_the_same(toy: Trained, tmp_path: Path) -> None:
    tables, found = known(toy, toy.model, tmp_path / "one")
    again, found_again = known(toy, toy.model, tmp_path / "two", workers=2)
    assert tables == again
    assert found == found_again


def test_as_many_records_as_asked_for_stand_for_a_list_whatever_its_shards(toy: Trained, tmp_path: Path) -> None:
    own = stream_of(texts(*toy.members), scratch=tmp_path / "a")
    for cuts in ((30,), (5, 60)):
        pieces = [toy.unseen[a:b] for a, b in zip((0, *cuts), (*cuts, HALF), strict=True)]
        unseen = stream_of(*(texts(*piece) for piece in pieces), scratch=tmp_path / "b")
        tables, found = run(membership(own, model=toy.model, unseen=unseen, rows=40))
        assert found["list"]["min_k"]["n"] == 80
        assert len(column(tables, "p_value")) == HALF


def test_what_cannot_be_is_a_users_mistake(toy: Trained, tmp_path: Path) -> None:
    own, empty = stream_of(texts("a b c"), scratch=tmp_path / "a"), stream_of(texts(""), scratch=tmp_path / "b")
    with pytest.raises(UserError, match="k is 0"):
        check(k=0.0)
    with pytest.raises(UserError, match="rows is 0"):
        check(rows=0)
    with pytest.raises(UserError, match="no record of unseen"):
        next(membership(own, model=toy.fresh, unseen=empty))
    few = stream_of(texts("a b", "c d"), scratch=tmp_path / "c")
    with pytest.raises(UserError, match="too few records"):
        next(membership(own, model=toy.fresh, unseen=few, seen=own))


def test_pieces_of_real_plays_give_themselves_away_too(tmp_path: Path) -> None:
    plays = (shared("tinyshakespeare") / "input.txt").read_text("utf-8")
    case = trained(tmp_path, chunks_of(plays, size=200, count=2 * HALF, seed=1))
    _, found = known(case, case.model, tmp_path)
    assert found["known"]["membership"]["value"] >= 0.8
    assert found["known"]["min_k_plus_plus"]["value"] >= 0.8
    _, found = known(case, case.fresh, tmp_path)
    assert found["known"]["membership"]["low"] <= 0.5 <= found["known"]["membership"]["high"]


def test_a_recipe_names_the_lists_and_may_bound_the_p_value(toy: Trained, tmp_path: Path) -> None:
    write_rows(tmp_path / "pages.jsonl", ({"text": text} for text in [*toy.members[:10], *toy.unseen[:10]]))
    write_rows(tmp_path / "new.jsonl", ({"text": text} for text in toy.unseen[10:]))
    recipe = write_recipe(
        tmp_path,
        f"""name: seen
data:
  new: [{{source: jsonl, path: new.jsonl, license: CC0-1.0}}]
  pages:
    - {{source: jsonl, path: pages.jsonl, license: CC0-1.0}}
    - {{pass: membership, model: {toy.model}, unseen: new, keep: {{p_value: {{min: 0.05}}}}}}
""",
    )
    outcome = run_recipe(recipe, tmp_path / "work")
    kept = [str(row["text"]) for row in rows_of(outcome, "pages")]
    assert not set(kept) & set(toy.members)
    assert len(kept) >= 8
