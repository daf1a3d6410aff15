"""What a user reads when something is theirs to mend."""

from __future__ import annotations

import pickle

from tunesmith.core.errors import Mistakes, UserError, Waiting


def test_an_error_is_a_sentence_and_below_it_what_to_do() -> None:
    assert str(UserError("there is no signal 'wrods'.", "Did you mean 'words'?")) == (
        "there is no signal 'wrods'.\n  Did you mean 'words'?"
    )
    assert str(UserError("there is no signal 'wrods'.")) == "there is no signal 'wrods'."


def test_all_mistakes_of_a_recipe_are_one_error() -> None:
    one = Mistakes([UserError("this.", "Do that.")], "recipe.yaml")
    assert str(one) == "1 mistake in recipe.yaml:\n\nthis.\n  Do that."
    assert str(Mistakes([UserError("a."), UserError("b.")], "recipe.yaml")).startswith(
        "2 mistakes in recipe.yaml:\n\na."
    )


def test_errors_come_back_whole_from_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(UserError("what.", "how.")))
    assert (error.problem, error.hint) == ("what.", "how.")
    mistakes = pickle.loads(pickle.dumps(Mistakes([UserError("what.", "how.")], "r.yaml")))
    assert str(mistakes) == "1 mistake in r.yaml:\n\nwhat.\n  how."
    waiting = pickle.loads(pickle.dumps(Waiting("3 records wait.", "Fill in the file.")))
    assert (waiting.what, waiting.command) == ("3 records wait.", "Fill in the file.")
