"""The arm that every measure has to beat: the same answer to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunesmith.models.base import Model
from tunesmith.models.function import FunctionModel

VERSION = 1


def constant(*, base: Model | None, rows: Sequence[Mapping[str, object]], name: str, answer: str) -> Model:
    """The same answer to every prompt."""
    return FunctionModel(name, lambda prompts: [answer] * len(prompts))
