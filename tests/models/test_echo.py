"""The model for tests and rehearsals."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import UserError
from tunesmith.core.record import message
from tunesmith.models.base import Model, Sampling
from tunesmith.models.echo import echo


def test_it_repeats_the_last_user_message_after_a_prefix() -> None:
    model: Model = echo(prefix="You said: ")
    chat = [message("system", "Be kind."), message("user", "Hi"), message("assistant", "Hello"), message("user", "Bye")]
    [answer] = model.generate([chat], Sampling())
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("You said: Bye", 1, 3)
    assert model.can == frozenset({"generate"})


def test_it_has_no_probabilities_to_give() -> None:
    with pytest.raises(UserError, match="echo gives answers, not log-probabilities"):
        echo().logprobs([])
