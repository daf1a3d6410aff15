"""Windows: each token once an epoch, weights and shares exact, the order a function of seed and epoch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.train.document_toys import documents_at, tokenizer

from tunesmith.train.batches import Whole
from tunesmith.train.fast import use_fast_norms
from tunesmith.train.losses import window_loss
from tunesmith.train.scratch import scratch_model
from tunesmith.train.windows import Mixture, Stream, feed_of_windows, windows_of

LENGTHS = [3, 17, 1, 64, 9, 9, 30, 2]


def seen(stream: Stream, epoch: int) -> Counter[tuple[int, ...]]:
    """Each token of an epoch's windows with how often it is predicted from."""
    rows = [stream.window(epoch * stream.windows + place)[0, :-1] for place in range(stream.windows)]
    return Counter(np.concatenate(rows).tolist())


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_token_of_an_epoch_is_in_one_window_but_the_tail(epoch: int) -> None:
    documents = documents_at(LENGTHS)
    stream = Stream(documents, length=8, seed=3)
    found, there = seen(stream, epoch), Counter(documents.ids.tolist())
    assert not found - there
    assert sum((there - found).values()) == documents.tokens % 8 < 8


def test_a_window_is_followed_by_the_token_that_follows_in_its_stream() -> None:
    stream = Stream(documents_at(LENGTHS), length=8, seed=3)
    for number in range(stream.windows):
        ids, places = stream.window(number)
        assert ids.shape == (9,)
        for (before, after), place in zip(pairwise(ids), places[1:], strict=True):
            assert (after == before + 1 and place > 0) or after == 7 or (before == 7 and after % 1000 == place == 0)


def test_the_order_follows_from_seed_and_epoch() -> None:
    def rows(seed: int, epoch: int) -> list[list[int]]:
        stream = Stream(documents_at(LENGTHS), length=8, seed=seed)
        return [stream.window(epoch * stream.windows + place)[0].tolist() for place in range(stream.windows)]

    assert rows(3, 0) == rows(3, 0)
    assert rows(3, 1) == rows(3, 1)
    assert rows(3, 0) != rows(3, 1)
    assert rows(3, 0) != rows(4, 0)


def test_documents_are_drawn_as_their_weights_say_over_many_epochs() -> None:
    weights = [0.3, 1.0, 2.5, 0.0]
    stream = Stream(documents_at([4] * 4, weights), length=5, seed=1)
    times = np.zeros(4)
    for epoch in range(40):
        drawn = np.bincount(stream._plan(epoch).drawn, minlength=4)
        assert (np.abs(drawn - weights) < 1).all()
        times += drawn
    assert (np.abs(times - 40 * np.array(weights)) < 1).all()


def test_shares_are_exact_over_many_steps() -> None:
    documents = [documents_at([40]), documents_at([40, 800]), documents_at([9, 9])]
    shares = [0.5, 0.37, 0.13]
    mixture = Mixture([Stream(one, length=8, seed=0) for one in documents], shares)
    counts = [[len(range(*bounds)) for bounds in numbers(step, shares)] for step in range(100)]
    assert {sum(step) for step in counts} <= {5, 6, 7, 8, 9}
    assert np.sum(counts, axis=0).tolist() == [350, 259, 91]
    assert [len(mixture.batch(step, 7)) for step in range(100)] == [sum(step) for step in counts]
    assert mixture.epochs(100, 7) == [350 / 5, 259 / 105, 91 / 2]


def numbers(step: int, shares: list[float]) -> list[tuple[int, int]]:
    return [(round(step * 7 * share), round((step + 1) * 7 * share)) for share in shares]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_feed_begins_anywhere_and_has_a_part_for_each_process(world: int) -> None:
    mixture = Mixture([Stream(documents_at(LENGTHS), length=8, seed=0)], [1.0])
    feed = feed_of_windows(mixture, size=6, rows=4, device="cpu", world=world)
    steps = [list(parts) for parts, _ in zip(feed(0), range(8), strict=False)]
    again = list(next(feed(5)))
    assert [len(parts) % world for parts in steps] == [0] * 8
    assert all(part.whole == Whole(5, 6, 48) for part in again)
    for one, other in zip(steps[5], again, strict=True):
        assert torch.equal(one.ids_BT, other.ids_BT)
        assert torch.equal(one.targets_BT[:, :-1], other.ids_BT[:, 1:])
    rows = [row for parts in steps for part in parts for row in part.ids_BT.tolist()]
    assert rows == [mixture.streams[0].window(number)[0, :-1].tolist() for number in range(48)]


def test_apart_attention_equals_a_loop_over_documents() -> None:
    model = scratch_model(tokenizer(), size="0.7M")
    use_fast_norms(model)
    model.set_attn_implementation("sdpa")
    ids, places = np.random.default_rng(0).integers(8, 300, (2, 13)), np.zeros((2, 13), dtype=np.int64)
    cuts = [[0, 5, 6, 13], [0, 13]]
    for row, cut in enumerate(cuts):
        for begin, end in pairwise(cut):
            places[row, begin:end] = np.arange(end - begin)
    together = window_loss(model, windows_of(np.stack([ids, places]), Whole(0, 2, 24), "cpu", apart=True))
    total = 0.0
    for row, cut in enumerate(cuts):
        for begin, end in pairwise(cut):
            piece = torch.tensor(ids[row, begin : min(end, 12)])[None]
            logits = model(input_ids=piece).logits[0]
            wanted = torch.tensor(ids[row, begin + 1 : min(end, 12) + 1])
            total += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
    assert together.item() == pytest.approx(total / 24, rel=1e-5)
    joined = window_loss(model, windows_of(np.stack([ids, places]), Whole(0, 2, 24), "cpu"))
    assert abs(joined.item() - together.item()) > 1e-5
