"""A model that repeats what it is told: for tests and rehearsals."""

from __future__ import annotations

from tunesmith.models.function import FunctionModel


def echo(*, name: str = "echo", prefix: str = "") -> FunctionModel:
    """A model that repeats the last user message, after a prefix."""
    return FunctionModel(name, lambda prompts: [prefix + prompt for prompt in prompts])
