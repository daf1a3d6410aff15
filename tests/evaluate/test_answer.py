"""Models are asked what the test set asks, without seeing the answer."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import UserError
from tunesmith.evaluate.answer import answer
from tunesmith.models.base import Sampling
from tunesmith.models.echo import echo
from tunesmith.models.rows import chat_of, prompt_of, target_of


def row(*turns: tuple[str, str]) -> dict[str, object]:
    """A row as it comes out of Parquet: with the fields that messages could have."""
    empty = {"name": None, "tool_calls": None, "weight": 1.0}
    return {"id": "7", "messages": [{"role": role, "content": content, **empty} for role, content in turns]}


def test_a_model_sees_the_messages_before_the_last_assistant_turn_and_nothing_else() -> None:
    turns = row(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "2+2?"), ("assistant", "4"))
    assert [message["content"] for message in chat_of(turns)] == ["Be brief.", "Hi", "Hello", "2+2?"]
    assert chat_of(turns)[0] == {"role": "system", "content": "Be brief."}
    assert target_of(turns) == "4"


def test_answers_come_in_the_order_of_the_rows_with_progress_by_batch() -> None:
    rows = [row(("user", f"question {index}"), ("assistant", "-")) for index in range(7)]
    told: list[tuple[int, int]] = []
    answers = answer(echo(), rows, sampling=Sampling(), batch=3, progress=lambda done, of: told.append((done, of)))
    assert [one.text for one in answers] == [f"question {index}" for index in range(7)]
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert answer(echo(), [], sampling=Sampling()) == []


def test_a_row_without_an_assistant_turn_is_asked_whole_and_may_bring_its_target_beside_it() -> None:
    open_row = row(("user", "2+2?")) | {"target": "4"}
    assert prompt_of(chat_of(open_row)) == "2+2?"
    assert target_of(open_row) == "4"


def test_a_document_cannot_be_asked() -> None:
    with pytest.raises(UserError, match=r"record 9 has no messages.*\n.*to_chat"):
        answer(echo(), [{"id": "9", "text": "plain"}], sampling=Sampling())


def test_a_row_without_an_expected_answer_says_so() -> None:
    with pytest.raises(UserError, match="record 7 has no expected answer"):
        target_of(row(("user", "2+2?")))
