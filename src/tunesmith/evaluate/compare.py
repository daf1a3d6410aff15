"""From scores to numbers with intervals and paired comparisons: every model on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.core.numbers import Number
from tunesmith.evaluate.score import Scores
from tunesmith.stats.intervals import Ints, mean, paired_difference
from tunesmith.stats.jackknife import jackknife

By = Literal["row", "group"]
Mask = Sequence[bool] | npt.NDArray[np.bool_]
ScoresOf = Mapping[str, Mapping[str, Scores]]  # model -> metric -> scores
Groups = Sequence[object]


@dataclass(frozen=True)
class Comparison:
    """How much higher a candidate scores than another model on the same rows."""

    metric: str  # METRIC or METRIC@SLICE
    candidate: str
    against: str
    by: By
    difference: Number

    def as_json(self) -> dict[str, object]:
        """The comparison as it stands in report.json."""
        return {"metric": self.metric, "candidate": self.candidate, "against": self.against,
                "by": self.by, "difference": self.difference.as_json()}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """Numbers by "MODEL/METRIC" and "MODEL/METRIC@SLICE", with intervals by row and by group, and all comparisons."""

    numbers: Mapping[str, Number]
    numbers_by_group: Mapping[str, Number]  # empty without groups
    comparisons: tuple[Comparison, ...]


def compare(
    scores: ScoresOf,
    *,
    candidates: Sequence[str],
    against: Sequence[str],
    groups: Groups | None = None,
    slices: Mapping[str, Mask] | None = None,
    seed: int = 0,
) -> Compared:
    """Every model's numbers, and every candidate's paired difference to each model it goes against.

    `groups` (one for each row) adds intervals by group. A metric that one of two models lacks is not compared.
    """
    everywhere = _rows_of_slices(scores, slices or {})
    by_group = {} if groups is None else dict(_numbers(scores, everywhere, groups, seed))
    pairs = [(candidate, other) for candidate in candidates for other in against if candidate != other]
    ways: list[Groups | None] = [None] if groups is None else [None, groups]
    comparisons = (
        comparison
        for candidate, other in pairs
        for way in ways
        for comparison in _comparisons(scores, candidate, other, everywhere, way, seed)
    )
    return Compared(dict(_numbers(scores, everywhere, None, seed)), by_group, tuple(comparisons))


def _rows_of_slices(scores: ScoresOf, slices: Mapping[str, Mask]) -> dict[str, Ints]:
    """The rows of the whole set under "", and of each slice under "@SLICE"."""
    lengths = {len(one.per_row) if one.per_row is not None else one.n for of in scores.values() for one in of.values()}
    if len(lengths) > 1:
        raise ValueError(f"models were scored on different rows: {sorted(lengths)}")
    n = max(lengths, default=0)
    wrong = [name for name, mask in slices.items() if len(mask) != n]
    if wrong:
        raise UserError(f"slice {wrong[0]!r} does not have one value for each of the {n} rows.", "Mend the slice.")
    return {"": np.arange(n)} | {f"@{name}": np.flatnonzero(np.asarray(mask)) for name, mask in slices.items()}


def _numbers(
    scores: ScoresOf, everywhere: Mapping[str, Ints], groups: Groups | None, seed: int
) -> Iterator[tuple[str, Number]]:
    for model, of_model in scores.items():
        for metric, one in of_model.items():
            for suffix, rows in everywhere.items():
                yield f"{model}/{metric}{suffix}", _number(one, rows, groups, seed)


def _number(one: Scores, rows: Ints, groups: Groups | None, seed: int) -> Number:
    if one.per_row is not None:
        return mean(one.per_row[rows], groups=_of(groups, rows), seed=seed)
    if one.of_rows is None or one.value is None:
        return Number(one.value, one.n)
    return jackknife(one.of_rows, rows, groups=groups, seed=seed)


def _comparisons(
    scores: ScoresOf, candidate: str, other: str, everywhere: Mapping[str, Ints], groups: Groups | None, seed: int
) -> Iterator[Comparison]:
    by: By = "row" if groups is None else "group"
    for metric in scores[candidate]:
        if metric not in scores.get(other, {}):
            continue
        for suffix, rows in everywhere.items():
            difference = _difference(scores[candidate][metric], scores[other][metric], rows, groups, seed)
            yield Comparison(f"{metric}{suffix}", candidate, other, by, difference)


def _difference(a: Scores, b: Scores, rows: Ints, groups: Groups | None, seed: int) -> Number:
    if a.per_row is not None and b.per_row is not None:
        return paired_difference(a.per_row[rows], b.per_row[rows], groups=_of(groups, rows), seed=seed)
    of_a, of_b = a.of_rows, b.of_rows
    if of_a is None or of_b is None or a.value is None or b.value is None:
        return Number(None, 0)
    return jackknife(lambda some: of_a(some) - of_b(some), rows, groups=groups, seed=seed)


def _of(groups: Groups | None, rows: Ints) -> list[object] | None:
    return None if groups is None else [groups[int(row)] for row in rows]
