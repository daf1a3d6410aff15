"""Whether a model has seen texts in its training, by its own probabilities: a weak signal, told with its proof."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import LocalPath, Where
from tunesmith.data.arrays import arrow
from tunesmith.data.likelihood import SCORES, Floats
from tunesmith.data.passes._membership_story import REPORTED, Counts, Pair, told
from tunesmith.data.passes._scored import Scored, Scoring, Side, joined, limit_of
from tunesmith.data.passes._told_apart import Judge, Scale, judge_of, scale_of
from tunesmith.data.stream import Measured, Rows, Stream

VERSION = 1
MEASURES = (*SCORES, "p_value", "membership")
KEEP: dict[str, object] = {}  # no single text's verdict is sure enough to drop it unasked
DECIMALS = 6


def check(*, k: float = 0.2, rows: int = 10_000, **_: object) -> None:
    """Raise UserError for a share or a number of rows that cannot be, and without scikit-learn."""
    if not 0 < k <= 1:
        raise UserError(f"membership: k is {k:g}.", "It is the share of tokens that count, such as 0.2.")
    if rows < 1:
        raise UserError(f"membership: rows is {rows}.", "It is how many records of each list are compared at most.")
    if find_spec("sklearn") is None:
        raise UserError("membership needs scikit-learn.", "Install it with: pip install 'tunesmith[evaluate]'")


def membership(
    stream: Stream,
    *,
    model: LocalPath,
    unseen: Stream,
    seen: Stream | None = None,
    k: float = 0.2,
    rows: int = 10_000,
    on: Where | None = None,
) -> Measured:
    """How likely a causal model has seen each text in its training, beside texts that it has certainly not seen.

    Measures `log_prob`, `min_k`, `min_k_plus_plus` and `zlib` as the signal likelihood does, each the higher, the
    likelier. `p_value` is the share of the list `unseen` (newer or held-out texts of the same kind) whose
    min_k_plus_plus is as high: low where a text looks seen. With `seen`, a list of texts known to be of the training,
    `membership` is the probability by a logistic regression on the four that a text is one of them, if both lists were
    as frequent; it is fitted in five folds that no group crosses, and no text is judged by a fold that knows it. Of
    each list at most `rows`, drawn by the seed and their ids, stand for it. What was found says how well the lists are
    told apart, and how well without the model, by words and lengths: where that does as well, the lists differ in
    kind and nothing is known of membership. A weak signal, without a bound by default. Needs the extras train and
    evaluate.
    """
    check(k=k, rows=rows)

    def limit(of: Rows) -> int:
        return limit_of(stream.executor, of, stream.seed, rows)

    def side(of: Rows, name: str) -> Side:
        drawn = Scoring(of, model, k, on, stream.seed, limit(of)).side(stream.executor)
        if not len(drawn):
            raise UserError(f"membership: no record of {name} has a text to score.", "Name a list of longer texts.")
        return drawn

    new = side(unseen.rows, "unseen")
    known = None if seen is None else Pair(side(seen.rows, "seen"), new, stream.seed)
    regression = None if known is None else _regression(known)
    reference = np.sort(new.values[:, SCORES.index(REPORTED)])
    own_limit, pieces, counts = limit(stream.rows), list[Side](), Counts(0, 0)
    for scored in stream.executor.map(Scoring(stream.rows, model, k, on, stream.seed), stream.shards, lane="threads"):
        p_values = _p_values(scored.values[:, SCORES.index(REPORTED)], reference)
        yield _table(scored, p_values, regression)
        pieces.append(scored.side(own_limit))
        counts = counts.more(p_values)
    judged = None if known is None or regression is None else regression(known.values, known.groups)
    return told(Pair(joined(pieces), new, stream.seed), counts, known, judged)


@dataclass(frozen=True)
class _Regression:
    """The classifier: the scale of its scores, and its folds."""

    scale: Scale
    judge: Judge

    def __call__(self, values: Floats, groups: list[str]) -> Floats:
        chances = self.judge(self.scale(values), groups)
        return np.where(np.isnan(values[:, 0]), np.nan, np.round(chances, DECIMALS))


def _regression(known: Pair) -> _Regression:
    scale = scale_of(known.values)
    return _Regression(scale, judge_of(scale(known.values), known.is_first, known.groups, known.seed))


def _p_values(values: Floats, reference: Floats) -> Floats:
    """The share of the sorted reference that is as high, the value itself counted among it so that none is 0."""
    as_high = len(reference) - np.searchsorted(reference, values, "left")
    return np.where(np.isnan(values), np.nan, (as_high + 1) / (len(reference) + 1))


def _table(scored: Scored, p_values: Floats, regression: _Regression | None) -> pa.Table:
    rows = len(p_values)
    chances = np.full(rows, np.nan) if regression is None else regression(scored.values, list(scored.groups))
    columns = [*(np.ascontiguousarray(column) for column in scored.values.T), p_values, chances]
    arrays = [pc.if_else(arrow(~np.isnan(column)), arrow(column), pa.nulls(rows, pa.float64())) for column in columns]
    return pa.table(arrays, names=list(MEASURES))
