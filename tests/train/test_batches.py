"""How rows become batches."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from tunesmith.models.chat import Tokens
from tunesmith.train.batches import IGNORED, Index, collate, epoch_of_batches, feed_of, pack, parts_of

LENGTHS = np.array([length % 30 + 1 for length in range(1_000)], dtype=np.int64)
ONES = np.ones(1_000)


def test_an_epoch_holds_every_row_once_and_rows_of_like_length_together() -> None:
    found = epoch_of_batches(LENGTHS, size=16, weights=ONES, seed=0, epoch=0)
    assert sorted(np.concatenate(found)) == list(range(1_000))
    assert np.mean([np.ptp(LENGTHS[indices]) for indices in found]) < 3


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first, again, later, other = (
        epoch_of_batches(LENGTHS, size=16, weights=ONES, seed=seed, epoch=epoch)
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not np.array_equal(np.concatenate(first), np.concatenate(later))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))


def test_a_feed_begun_late_goes_on_as_the_whole_one() -> None:
    def as_list(indices: Index, step: int) -> tuple[int, list[int]]:
        return step, indices.tolist()

    feed = feed_of(as_list, LENGTHS, size=16, weights=ONES, seed=3)
    whole = list(islice(feed(0), 140))
    assert whole[100:] == list(islice(feed(100), 40))


def test_a_weight_is_how_often_a_row_is_drawn() -> None:
    weights = np.where(np.arange(1_000) < 500, 0.2, 2.5)
    drawn = np.concatenate(
        [np.concatenate(epoch_of_batches(LENGTHS, size=16, weights=weights, seed=0, epoch=e)) for e in range(20)]
    )
    times = np.bincount(drawn, minlength=1_000) / 20
    assert times[:500].mean() == pytest.approx(0.2, abs=0.02)
    assert times[500:].mean() == pytest.approx(2.5, abs=0.02)


def test_a_batch_is_padded_to_a_multiple_of_four_and_only_masked_tokens_are_labels() -> None:
    batch = collate([Tokens([5, 6, 7], [0, 1, 1]), Tokens([8, 9], [0, 1])], pad=0)
    assert batch.ids_BT.tolist() == [[5, 6, 7, 0], [8, 9, 0, 0]]
    assert batch.attention_BT.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert batch.labels_BT.tolist() == [[IGNORED, 6, 7, IGNORED], [IGNORED, 9, IGNORED, IGNORED]]


def test_packed_rows_begin_at_zero_and_are_not_predicted_from_the_row_before() -> None:
    batch = pack([Tokens([5, 6, 7], [1, 1, 1]), Tokens([8, 9], [0, 1])], pad=0)
    assert batch.ids_BT.shape == (1, 64)
    assert batch.ids_BT[0, :6].tolist() == [5, 6, 7, 8, 9, 0]
    assert batch.labels_BT[0, :6].tolist() == [IGNORED, 6, 7, IGNORED, 9, IGNORED]
    assert batch.places_BT is not None
    assert batch.places_BT[0, :7].tolist() == [0, 1, 2, 0, 1, 0, 1]
    assert batch.attention_BT is None
    assert batch.there == 5


def test_parts_hold_every_row_once_and_no_more_tokens_than_there_is_room_for() -> None:
    indices = np.arange(0, 1_000, 3)
    parts = parts_of(indices, LENGTHS, 200)
    assert sorted(np.concatenate(parts)) == indices.tolist()
    assert all(len(part) == 1 or len(part) * LENGTHS[part].max() <= 200 for part in parts)
    assert parts_of(indices, LENGTHS, None)[0].tolist() == indices.tolist()


def test_parts_to_be_packed_are_filled_without_counting_padding() -> None:
    indices = np.arange(0, 1_000, 3)
    parts = parts_of(indices, LENGTHS, 200, packed=True)
    assert sorted(np.concatenate(parts)) == indices.tolist()
    assert all(LENGTHS[part].sum() <= 200 for part in parts)
    assert len(parts) < len(parts_of(indices, LENGTHS, 200))
