"""The recipe: YAML 1.2 to a checked `Recipe`; every mistake is shown at once, before any work starts."""

from tunesmith.recipe.grammar import DataList, Evaluation, Recipe, Serve, Step, TrainStep
from tunesmith.recipe.load import load_recipe

__all__ = ["DataList", "Evaluation", "Recipe", "Serve", "Step", "TrainStep", "load_recipe"]
