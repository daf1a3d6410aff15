"""What membership found, in sentences and a table: areas under the ROC curve, and what they do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack

from tunesmith.core.numbers import Number
from tunesmith.data.likelihood import SCORES, Floats
from tunesmith.data.passes._scored import Side
from tunesmith.data.passes._told_apart import FOLDS, has_folds, judge_of, scale_of
from tunesmith.stats.auroc import auroc, auroc_difference

RARE = 0.01  # the p-value that records are counted below
REPORTED = "min_k_plus_plus"
JUDGED = "membership"
BLIND = "words and lengths, without the model"
# Judgements of five folds share most of what they learnt from, so their variance is larger than rows alone tell: by
# 1 + folds x tested / learnt from (Nadeau and Bengio 2003). On pure noise of 100 + 100 rows intervals without
# it missed 0.5 in 11 of 100 draws, and with it in 3.
LEARNT = 1 + FOLDS / (FOLDS - 1)
WEAK = (
    "Membership inference is a weak signal: an AUROC of 0.5 means that nothing can be told, and a difference in kind "
    "between the lists (subject, age, source) raises it without any membership."
)


@dataclass(frozen=True)
class Counts:
    """Records of the list: measured, and with a p-value below RARE."""

    measured: int
    rare: int

    def more(self, p_values: Floats) -> Counts:
        """These and the records of another shard, whose p-values are not-a-number where not measured."""
        measured, rare = int((~np.isnan(p_values)).sum()), int((p_values < RARE).sum())
        return Counts(self.measured + measured, self.rare + rare)


@dataclass(frozen=True)
class Pair:
    """Two lists beside each other, the rows of the first before those of the second."""

    first: Side
    second: Side
    seed: int

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """Which rows are of the first list."""
        return np.arange(len(self.first) + len(self.second)) < len(self.first)

    @property
    def groups(self) -> list[str]:
        """The group of each row."""
        return [*self.first.groups, *self.second.groups]

    @property
    def values(self) -> Floats:
        """The scores of each row."""
        return np.concatenate([self.first.values, self.second.values])

    def area(self, name: str, values: Floats) -> Number:
        """How well the numbers of this name, one a row, tell the first list from the second."""
        inflation = LEARNT if name in (JUDGED, BLIND) else 1.0
        return auroc(values, self.is_first.tolist(), groups=self.groups, inflation=inflation)

    def blind(self) -> Floats:
        """The probability that each row is of the first list by its words and lengths; not measured with few groups.

        The blind baseline of Das, Zhang and Tramèr (2024, arXiv 2406.16201), which told the sets of most published
        membership tests apart better than any attack on a model.
        """
        is_first, groups = self.is_first, self.groups
        if not has_folds(is_first, groups):
            return np.full(len(groups), np.nan)
        lengths = np.concatenate([self.first.lengths, self.second.lengths])
        words = csr_matrix(vstack([self.first.words, self.second.words]))
        features = csr_matrix(hstack([words[:, np.unique(words.indices)], scale_of(lengths)(lengths)]))
        return judge_of(features, is_first, groups, self.seed)(features, groups)


def told(own: Pair, counts: Counts, known: Pair | None, judged: Floats | None) -> Mapping[str, object]:
    """All that was found: the list against `unseen`, and `seen` against `unseen` with the judgements of those rows."""
    columns = {name: own.values[:, place] for place, name in enumerate(SCORES)} | {BLIND: own.blind()}
    areas = {name: own.area(name, values) for name, values in columns.items()}
    found: dict[str, object] = {
        "list": {name: area.as_json() for name, area in areas.items()},
        "measured": counts.measured,
        "rare": counts.rare,
    }
    sentences, tables = [*_of_list(areas, counts, len(own.second))], [_table("The list against unseen", areas, own)]
    if known is not None and judged is not None:
        areas, gain = _known(known, judged)
        found |= {"known": {name: area.as_json() for name, area in areas.items()}, "gain": gain.as_json()}
        sentences += _of_known(areas, gain)
        tables.append(_table("Known training records against unseen", areas, known))
    return found | {"sentences": [*sentences, WEAK], "tables": tables}


def _known(known: Pair, judged: Floats) -> tuple[dict[str, Number], Number]:
    """The areas of each score, the classifier and the blind baseline; and the classifier's minus the baseline's."""
    blind = known.blind()
    columns = {name: known.values[:, place] for place, name in enumerate(SCORES)} | {JUDGED: judged, BLIND: blind}
    areas = {name: known.area(name, values) for name, values in columns.items()}
    return areas, auroc_difference(judged, blind, known.is_first.tolist(), groups=known.groups, inflation=LEARNT)


def _of_list(areas: Mapping[str, Number], counts: Counts, reference: int) -> list[str]:
    share = f" ({100 * counts.rare / counts.measured:.1f} %)" if counts.measured else ""
    sentences = [
        f"{counts.rare:,} of {counts.measured:,} records{share} have a p-value below {RARE:g} against {reference:,} "
        f"unseen records; by chance about {100 * RARE:g} % would.",
        f"How well the list is told from unseen, as AUROC: by Min-K%++ {areas[REPORTED]}; by words and lengths alone, "
        f"without the model, {areas[BLIND]}.",
    ]
    if (reference + 1) * RARE <= 1:
        sentences.append(
            f"With {reference:,} unseen records no p-value lies below {RARE:g}: {int(1 / RARE)} are needed."
        )
    return sentences


def _of_known(areas: Mapping[str, Number], gain: Number) -> list[str]:
    judged, blind = areas[JUDGED], areas[BLIND]
    sentences = [
        f"How well known training records are told from unseen ones, as AUROC: by the classifier {judged}; by words "
        f"and lengths alone {blind}."
    ]
    if judged.low is not None and judged.low <= 0.5:
        sentences.append("The interval does not lie above 0.5: nothing is known of which records the model has seen.")
    elif gain.low is None or gain.low <= 0:
        sentences.append(
            f"The model adds {gain} to what is known without it: the lists may differ in kind alone, and the result "
            "says nothing of membership."
        )
    else:
        sentences.append(f"The model adds {gain} to what is known without it.")
    return sentences


def _table(title: str, areas: Mapping[str, Number], pair: Pair) -> dict[str, object]:
    rows = [
        [name, *(None if value is None else round(value, 4) for value in (area.value, area.low, area.high)), area.n]
        for name, area in areas.items()
    ]
    sides = f"{len(pair.first):,} records, {len(pair.second):,} unseen"
    return {"title": f"{title} ({sides})", "columns": ["score", "AUROC", "from", "to", "n"], "rows": rows}
