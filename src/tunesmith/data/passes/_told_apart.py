"""Two sets of rows told apart by logistic regression, each row judged by a model that saw nothing of its group."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.data.likelihood import Floats

FOLDS = 5
FAR = 5.0  # deviations beyond which a value counts as this far: one odd text must not turn a regression
INVERSE_PENALTY = 1.0
ITERATIONS = 1000
BUCKETS = 2**16  # that words are hashed into


@dataclass(frozen=True)
class Scale:
    """Where values lie and how far they spread, column by column."""

    centre: Floats
    spread: Floats

    def __call__(self, values: Floats) -> csr_matrix:
        """The values as deviations from the centre."""
        return csr_matrix(np.clip((np.nan_to_num(values) - self.centre) / self.spread, -FAR, FAR))


def scale_of(values: Floats) -> Scale:
    """The scale of these values; a column that never varies keeps its own."""
    spread = values.std(axis=0)
    return Scale(values.mean(axis=0), np.where(spread > 0, spread, 1.0))


@dataclass(frozen=True)
class Judge:
    """A logistic regression for each fold, and which fold each group lay in."""

    weights: Floats  # [folds, features]
    biases: Floats
    fold_of: Mapping[str, int]

    def __call__(self, features: csr_matrix, groups: Sequence[str]) -> Floats:
        """The probability that each row is of the first set, if both were as frequent.

        A row of a known group is judged by the one model that saw nothing of it, any other by the mean of all.
        """
        each = expit(features @ self.weights.T + self.biases)
        folds = np.array([self.fold_of.get(group, -1) for group in groups], dtype=np.int64)
        found: Floats = np.where(folds >= 0, each[np.arange(len(folds)), folds], each.mean(axis=1))
        return found


def judge_of(features: csr_matrix, is_first: NDArray[np.bool_], groups: Sequence[str], seed: int) -> Judge:
    """A judge fitted on rows of two sets; raises UserError where either has too few groups for FOLDS folds."""
    fold_of = _folds(is_first, groups, seed)
    folds = np.array([fold_of[group] for group in groups])
    fitted = [_fitted(features[folds != fold], is_first[folds != fold]) for fold in range(FOLDS)]
    return Judge(np.stack([weights for weights, _ in fitted]), np.array([bias for _, bias in fitted]), fold_of)


def has_folds(is_first: NDArray[np.bool_], groups: Sequence[str]) -> bool:
    """Whether both sets have so many groups of their own that every fold holds one."""
    firsts = {group for group, first in zip(groups, is_first.tolist(), strict=True) if first}
    return min(len(firsts), len(set(groups) - firsts)) >= FOLDS


def _folds(is_first: NDArray[np.bool_], groups: Sequence[str], seed: int) -> dict[str, int]:
    """The fold of each group, dealt in turn in an order drawn from the seed, those of the first set before all others.

    So every fold has about as many groups of either set as any other.
    """
    if not has_folds(is_first, groups):
        hint = f"Each of the two lists needs at least {FOLDS} groups, or records without one, of its own."
        raise UserError("membership: too few records to learn from.", hint)
    firsts = {group for group, first in zip(groups, is_first.tolist(), strict=True) if first}
    dealt = sorted(set(groups), key=lambda group: (group not in firsts, hash128([str(seed), group])))
    return {group: number % FOLDS for number, group in enumerate(dealt)}


def _fitted(features: csr_matrix, is_first: NDArray[np.bool_]) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=ITERATIONS)
    model.fit(features, is_first)
    return np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])


def words_of(texts: Sequence[str]) -> csr_matrix:
    """The hashed words of each text by their frequency."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(n_features=BUCKETS, alternate_sign=False, token_pattern=r"\w+")
    return csr_matrix(hashing.transform(texts)) if texts else csr_matrix((0, BUCKETS))


def lengths_of(texts: Sequence[str]) -> Floats:
    """The logarithms of each text's bytes, and of those that compression leaves."""
    raw = [text.encode() for text in texts]
    sizes = [(np.log(len(data) + 1), np.log(len(zlib.compress(data)))) for data in raw]
    return np.array(sizes, dtype=np.float64).reshape(len(raw), 2)
