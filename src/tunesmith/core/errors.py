"""The errors a user can cause and mend, told apart from our own bugs.

A `UserError` is printed as a sentence with a hint and exit code 2; any other exception keeps its traceback.
"""

from __future__ import annotations


class UserError(Exception):
    """A mistake the user can mend: what is wrong and where, and what to do about it."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.hint}" if self.hint else self.problem


class Mistakes(UserError):
    """All mistakes found in one recipe, shown together."""

    def __init__(self, errors: list[UserError], where: str = "the recipe") -> None:
        self.errors = errors
        noun = "mistake" if len(errors) == 1 else "mistakes"
        super().__init__(f"{len(errors)} {noun} in {where}:\n\n" + "\n\n".join(str(error) for error in errors))
        self.args = (errors, where)  # so that it travels between processes


class Waiting(Exception):
    """A run that cannot go on until people have answered; it prints the command that opens the round (exit code 3)."""

    def __init__(self, what: str, command: str) -> None:
        super().__init__(what, command)
        self.what = what
        self.command = command
