"""Run one metric over the answers of one model.

A metric asks by parameter name. One that measures a row asks for `answer`, `target`, `prompt` or `record` and returns
a number. One that measures a batch asks for `answers`, `targets`, `prompts` or `records` and returns one number a row,
or a single number for all of them, such as the share of distinct answers. None or not-a-number is "not measured".
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.core.registry import Named
from tunesmith.models.rows import Row, chat_of, prompt_of
from tunesmith.stats.intervals import Floats, Ints

PER_ROW = ("answer", "target", "prompt", "record")
PER_BATCH = ("answers", "targets", "prompts", "records")
Metric = Callable[..., object]
Views = Mapping[str, Sequence[object]]  # answers, targets, prompts, records


@dataclass(frozen=True)
class Scores:
    """What a metric measured of one model's answers.

    Either one value a row (`per_row`, not-a-number where nothing was measured), or one value for all, with `of_rows`,
    which measures it on some of the rows.
    """

    value: float | None
    n: int
    per_row: Floats | None = None
    of_rows: Callable[[Ints], float] | None = None


def score(
    metric: Named,
    parameters: Mapping[str, object],
    answers: Sequence[str],
    rows: Sequence[Row],
    targets: Sequence[str],
) -> Scores:
    """Measure these answers with a metric by its name; raises UserError if it returns something else than numbers."""
    return score_with(metric.load(), parameters, answers, rows, targets, name=metric.name)


def score_with(
    function: Metric,
    parameters: Mapping[str, object],
    answers: Sequence[str],
    rows: Sequence[Row],
    targets: Sequence[str],
    *,
    name: str,
) -> Scores:
    """Measure these answers with a metric that is at hand as a function."""
    views: Views = {"answers": answers, "targets": targets, "prompts": _prompts(function, rows), "records": rows}
    call = partial(function, **parameters)
    if is_batch(function, name):
        asked = [view for view in PER_BATCH if view in inspect.signature(function).parameters]
        return _score_batch(call, {view: views[view] for view in asked}, len(answers), name)
    asked = [view for view in PER_ROW if view in inspect.signature(function).parameters]
    values = [
        call(**dict(zip(asked, row, strict=True)))
        for row in zip(*(views[f"{view}s"] for view in asked), strict=True)
    ]  # fmt: skip
    return _per_row(values, name)


def is_batch(function: Metric, name: str) -> bool:
    """Whether a metric measures whole batches; raises UserError if it asks for nothing that can be measured."""
    asked = set(inspect.signature(function).parameters)
    one, many = asked & set(PER_ROW), asked & set(PER_BATCH)
    if bool(one) == bool(many):
        wrong = "for both rows and batches" if one else "for nothing to measure"
        raise UserError(
            f"metric {name} asks {wrong}.",
            f"It asks for some of {', '.join(PER_ROW)}, or for some of {', '.join(PER_BATCH)}.",
        )
    return bool(many)


def lower_is_better(metric: Named) -> bool:
    """Whether the metric's file declares LOWER_IS_BETTER = True."""
    return bool(getattr(metric.module(), "LOWER_IS_BETTER", False))


def _prompts(function: Metric, rows: Sequence[Row]) -> Sequence[str]:
    """The questions, worked out only for a metric that asks for them."""
    wanted = {"prompt", "prompts"} & set(inspect.signature(function).parameters)
    return [prompt_of(chat_of(row)) for row in rows] if wanted else []


def _score_batch(call: Metric, views: Views, n: int, name: str) -> Scores:
    result = call(**views)
    if isinstance(result, Sequence | np.ndarray) and not isinstance(result, str):
        if len(result) != n:
            raise UserError(
                f"metric {name} returned {len(result)} values for {n} rows.", "Return one number a row, in order."
            )
        return _per_row(list(result), name)

    def of_rows(rows: Ints) -> float:
        return _number(call(**{view: [values[row] for row in rows] for view, values in views.items()}), name)

    value = _number(result, name)
    return Scores(None if math.isnan(value) else value, n, of_rows=of_rows)


def _per_row(values: Sequence[object], name: str) -> Scores:
    per_row = np.array([_number(value, name) for value in values], dtype=np.float64)
    measured = per_row[~np.isnan(per_row)]
    return Scores(float(measured.mean()) if len(measured) else None, len(measured), per_row=per_row)


def _number(value: object, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool | int | float | np.number | np.bool_):
        number = float(value)
        if not math.isinf(number):
            return number
    raise UserError(f"metric {name} returned {value!r}.", "Return a finite number, or None for not measured.")
