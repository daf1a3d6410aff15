"""The rows that an evaluation scores."""

from __future__ import annotations

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import unit_interval
from tunesmith.core.registry import near
from tunesmith.data.dataset import Dataset
from tunesmith.evaluate.asked import COLUMNS as ASKED
from tunesmith.recipe import Evaluation
from tunesmith.run.contenders import COLUMNS
from tunesmith.run.context import Context

Row = dict[str, object]


def scored_rows(context: Context, evaluation: Evaluation, dataset: Dataset) -> list[Row]:
    """The rows that are scored: of all kept rows of the part, those whose ids draw lowest, in the dataset's order."""
    slices = [column for bounds in evaluation.slices.values() for column in bounds]
    cluster = [evaluation.cluster] if evaluation.cluster else []
    for name in (*slices, *cluster):
        if name not in dataset.columns:
            what = "slices" if name in slices else "cluster"
            hint = near(name, list(dataset.columns))
            raise UserError(f"evaluate.{what}: the rows of {evaluation.on} have no column {name!r}.", hint)
    wanted = dict.fromkeys([*COLUMNS, *ASKED[evaluation.asks], *cluster, *slices])
    columns = [name for name in wanted if name in dataset.columns]
    rows = [row for table in dataset.tables(columns, part=evaluation.on.part) for row in table.to_pylist()]
    if not rows:
        raise UserError(f"evaluate.on: {evaluation.on} has no rows.", "Look at what was dropped from it.")
    if evaluation.sample is None or evaluation.sample >= len(rows):
        return rows
    seed = str(context.recipe.seed)
    drawn = sorted(range(len(rows)), key=lambda place: unit_interval([seed, str(rows[place]["id"])]))
    return [rows[place] for place in sorted(drawn[: evaluation.sample])]
