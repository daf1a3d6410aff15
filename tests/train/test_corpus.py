"""Rows on disk: what fits is kept with its weight, what does not is counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens
from tunesmith.train.corpus import render_rows
from tunesmith.train.job import Row


def tokens_of(rows: Sequence[Row]) -> list[Tokens]:
    """As many tokens as the row says, the last two learnt."""
    return [Tokens(list(range(int(str(row["n"])))), [0] * (int(str(row["n"])) - 2) + [1, 1]) for row in rows]


def nothing_learnt(rows: Sequence[Row]) -> list[Tokens]:
    return [Tokens([1, 2], [1, int(str(row["n"])) % 2]) for row in rows]


def test_a_row_stays_if_every_side_fits_and_has_something_to_learn(tmp_path: Path) -> None:
    rows = [{"n": n} for n in range(2, 12)]
    found = render_rows(rows, [tokens_of, nothing_learnt], limit=8, folder=tmp_path)
    assert found.kept.tolist() == [1, 3, 5]  # n is 3, 5, 7: odd, and at most 8
    assert (found.too_long, found.empty) == (3, 4)
    assert len(found) + found.too_long + found.empty == len(rows)
    assert [row.ids.tolist() for row in found.sides[0].rows(np.arange(3))] == [[*range(3)], [*range(5)], [*range(7)]]
    assert found.sides[0].labels.tolist() == [2, 2, 2]
    assert found.lengths.tolist() == [3, 5, 7]


def test_more_rows_than_are_rendered_at_once_come_back_in_order(tmp_path: Path) -> None:
    rows = [{"n": 2 + n % 5} for n in range(2_345)]
    found = render_rows(rows, [tokens_of], limit=8, folder=tmp_path)
    assert found.lengths.tolist() == [row["n"] for row in rows]


def test_the_first_token_of_a_row_is_no_label(tmp_path: Path) -> None:
    found = render_rows([{"n": 2}], [tokens_of], limit=8, folder=tmp_path)
    assert found.sides[0].labels.tolist() == [1]


def test_weights_are_kept_and_wrong_ones_refused(tmp_path: Path) -> None:
    rows = [{"n": 3, "weight": 0.5}, {"n": 3}, {"n": 3, "weight": None}]
    assert render_rows(rows, [tokens_of], limit=8, folder=tmp_path).weights.tolist() == [0.5, 1.0, 1.0]
    with pytest.raises(UserError, match="weight -1"):
        render_rows([{"id": "r", "n": 3, "weight": -1.0}], [tokens_of], limit=8, folder=tmp_path)
    with pytest.raises(UserError, match="All weights"):
        render_rows([{"n": 3, "weight": 0.0}], [tokens_of], limit=8, folder=tmp_path)


def test_other_tokens_or_weights_have_another_fingerprint(tmp_path: Path) -> None:
    def print_of(rows: list[dict[str, float]]) -> str:
        return render_rows(rows, [tokens_of], limit=8, folder=tmp_path).fingerprint()

    assert print_of([{"n": 3}]) == print_of([{"n": 3, "weight": 1.0}])
    assert len({print_of([{"n": 3}]), print_of([{"n": 4}]), print_of([{"n": 3, "weight": 2.0}])}) == 3
