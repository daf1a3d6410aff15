from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serve.shouting import Shouting

from tunesmith.models.base import Chat, Sampling
from tunesmith.serve.engine import Engine, Limits, QueueFull

GREEDY = Sampling(temperature=0)
WARM = Sampling(temperature=0.7)


def chat(text: str) -> Chat:
    return [{"role": "user", "content": text}]


@pytest.fixture
def model() -> Shouting:
    return Shouting()


@pytest.fixture
def engine(model: Shouting) -> Iterator[Engine]:
    """An engine whose model is busy with a first request until `model.free` is set."""
    engine = Engine(model, Limits(batch=4, wait_s=0.001, waiting=10))
    engine.submit(chat("first"), GREEDY)
    assert model.called.acquire(timeout=10)
    yield engine
    model.free.set()
    engine.close()


def test_requests_drawn_alike_share_a_call_and_get_their_own_answers(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(text), GREEDY) for text in "abc"]
    model.free.set()
    assert [answer.result(10).text for answer in waiting] == ["A", "B", "C"]
    assert model.sizes == [1, 3]


def test_no_batch_is_larger_than_the_limit(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(str(i)), GREEDY) for i in range(10)]
    model.free.set()
    assert [answer.result(10).text for answer in waiting] == [str(i) for i in range(10)]
    assert model.sizes == [1, 4, 4, 2]


def test_requests_drawn_differently_are_kept_apart_and_the_oldest_goes_first(engine: Engine, model: Shouting) -> None:
    asked = [("a", GREEDY), ("b", WARM), ("c", GREEDY), ("d", WARM)]
    waiting = [engine.submit(chat(text), sampling) for text, sampling in asked]
    model.free.set()
    assert [answer.result(10).text for answer in waiting] == ["A", "B", "C", "D"]
    assert [texts for texts, _ in model.calls] == [["first"], ["a", "c"], ["b", "d"]]


def test_a_request_that_waits_alone_is_joined_by_one_that_comes_soon() -> None:
    model = Shouting()
    model.free.set()
    engine = Engine(model, Limits(batch=2, wait_s=5))
    waiting = [engine.submit(chat(text), GREEDY) for text in "ab"]  # the second fills the batch, which then starts
    assert [answer.result(2).text for answer in waiting] == ["A", "B"]
    engine.close()
    assert model.sizes == [2]


def test_a_full_queue_turns_requests_away_until_one_is_cancelled(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(str(i)), GREEDY) for i in range(10)]
    with pytest.raises(QueueFull):
        engine.submit(chat("one too many"), GREEDY)
    assert waiting[3].cancel()
    late = engine.submit(chat("late"), GREEDY)
    model.free.set()
    assert late.result(10).text == "LATE"
    assert "3" not in [text for texts, _ in model.calls for text in texts]


def test_a_request_that_fails_does_not_take_its_neighbours_with_it(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(text), GREEDY) for text in ("a", "poison", "b")]
    model.free.set()
    assert (waiting[0].result(10).text, waiting[2].result(10).text) == ("A", "B")
    assert str(waiting[1].exception(10)) == "poison"


def test_a_model_that_answers_too_few_is_an_error_and_not_a_wait_for_ever(engine: Engine, model: Shouting) -> None:
    lost = engine.submit(chat("lost"), GREEDY)
    model.free.set()
    assert isinstance(lost.exception(10), ValueError)


def test_a_seed_is_honoured_by_drawing_alone(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(text), WARM, seed=5) for text in "ab"]
    model.free.set()
    assert [answer.result(10).text for answer in waiting] == ["A", "B"]
    assert [(texts, sampling.seed) for texts, sampling in model.calls[1:]] == [(["a"], 5), (["b"], 5)]


def test_without_a_seed_every_batch_is_drawn_anew(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(str(i)), WARM) for i in range(8)]
    model.free.set()
    assert all(answer.result(10) for answer in waiting)
    assert model.sizes == [1, 4, 4]
    assert model.calls[1][1].seed != model.calls[2][1].seed


def test_greedy_requests_share_a_batch_whatever_their_seeds(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(str(i)), GREEDY, seed=i) for i in range(3)]
    model.free.set()
    assert all(answer.result(10) for answer in waiting)
    assert (model.sizes, model.calls[1][1].seed) == ([1, 3], 0)


def test_closing_answers_what_is_in_the_queue(engine: Engine, model: Shouting) -> None:
    waiting = [engine.submit(chat(str(i)), GREEDY) for i in range(5)]
    model.free.set()
    engine.close()
    assert [answer.result(0).text for answer in waiting] == ["0", "1", "2", "3", "4"]
