"""The order of work: steps run in the order of what they name; a circle is a mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from tunesmith.core.errors import UserError
from tunesmith.recipe.grammar import DataList, Feed, Recipe


def needs(recipe: Recipe) -> dict[str, set[str]]:
    """What each list ("data.NAME") and train step ("train.NAME") must wait for."""
    graph = {f"data.{name}": {f"data.{feed.name}" for feed in feeds_of(data)} for name, data in recipe.data.items()}
    trained = {step.name for step in recipe.train}
    held_out = {f"data.{recipe.evaluate.on.name}"} if recipe.evaluate else set()  # held against the rows, before
    for step in recipe.train:
        before = {f"train.{step.start}"} if step.start in trained else set()
        before |= {f"train.{term.name}" for term in step.reward if term.name in trained}
        graph[f"train.{step.name}"] = {f"data.{name}" for name in step.lists} | before | held_out
    return graph


def feeds_of(data: DataList) -> list[Feed]:
    """The lists whose rows a list takes or is compared with."""
    compared = [value for step in data.steps for value in step.parameters.values() if isinstance(value, Feed)]
    return [*([data.feed] if data.feed else []), *compared]


def in_order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """The names in an order in which each comes after what it needs; otherwise as the recipe has them."""
    return list(TopologicalSorter(graph).static_order())


def check_order(recipe: Recipe) -> list[UserError]:
    """The circle in a recipe, if there is one."""
    try:
        in_order(needs(recipe))
    except CycleError as error:
        return [UserError(f"steps wait for one another: {' → '.join(error.args[1])}.", "Break the circle.")]
    return []
