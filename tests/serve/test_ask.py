from __future__ import annotations

import pytest

from tunesmith.core.errors import UserError
from tunesmith.models.echo import echo
from tunesmith.serve.app import create_app
from tunesmith.serve.ask import ask
from tunesmith.serve.served import Served
from tunesmith.serve.server import running


def test_a_question_is_answered_by_the_only_model_there_is() -> None:
    with running(create_app({"echo": Served(echo(prefix="> "), "k")}, ids=lambda: "chatcmpl-7")) as base_url:
        asked = ask(base_url, None, "Wie geht's?", system="Be kind.")
    assert (asked.answer, asked.id, asked.model) == ("> Wie geht's?", "chatcmpl-7", "echo")


def test_where_several_models_are_served_one_must_be_named() -> None:
    models = {"a": Served(echo(prefix="a"), "k"), "b": Served(echo(prefix="b"), "k")}
    with running(create_app(models)) as base_url:
        assert ask(base_url, "b", "!").answer == "b!"
        with pytest.raises(UserError, match="serves 2 models: a, b"):
            ask(base_url, None, "!")
        with pytest.raises(UserError, match="no such model"):
            ask(base_url, "c", "!")


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:9/v1 cannot be reached"):
        ask("http://127.0.0.1:9/v1", None, "anyone?")


def test_an_address_that_is_no_url_is_refused() -> None:
    with pytest.raises(UserError, match="is not the URL of an endpoint"):
        ask("localhost:8000", None, "anyone?")
