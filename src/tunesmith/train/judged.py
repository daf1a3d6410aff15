"""What a reward model is worth on held-out pairs: accuracy, calibration, and whether it only counts words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunesmith.core.numbers import Number
from tunesmith.stats.intervals import Floats, mean, paired_difference

BINS = 5  # of the confidence, from 0.5 to 1
MATCHED = 0.1  # |log(chosen / rejected)| below which two answers are of like length
FEW = 20  # pairs below which no warning is drawn from a part of them
Found = dict[str, object]


@dataclass(frozen=True)
class Judged:
    """Held-out pairs with the rewards and the lengths of their answers, and the cluster that each belongs to."""

    rewards_N2: Floats  # chosen, rejected
    lengths_N2: Floats
    clusters: Sequence[object]

    def __len__(self) -> int:
        """Pairs."""
        return len(self.rewards_N2)

    @property
    def margins(self) -> Floats:
        """The chosen answer's reward minus the rejected one's."""
        return self.rewards_N2[:, 0] - self.rewards_N2[:, 1]

    @property
    def told_apart(self) -> Floats:
        """1 where the chosen answer has the higher reward, 0.5 where both have the same."""
        return _wins(self.margins)

    @property
    def longer_wins(self) -> Floats:
        """The same of the rule that the longer answer is the better one."""
        return _wins(self.lengths_N2[:, 0] - self.lengths_N2[:, 1])

    def accuracy(self, where: np.ndarray | None = None) -> Number:
        """The share of pairs told apart, of all or of some, with its interval by cluster."""
        return self._mean(self.told_apart, np.ones(len(self), dtype=bool) if where is None else where)

    def _mean(self, values: Floats, where: np.ndarray) -> Number:
        return mean(values[where], groups=[self.clusters[place] for place in np.flatnonzero(where).tolist()])


def _wins(differences: Floats) -> Floats:
    return (np.sign(differences) + 1) / 2


def found_of(judged: Judged, conflicts: Mapping[str, int]) -> tuple[Found, tuple[str, ...]]:
    """What the manifest keeps of a reward model, and what to warn of."""
    told = _told_conflicts(conflicts)
    if not len(judged):
        found: Found = {
            "pairs": 0,
            "conflicts": dict(conflicts),
            "verdict": "not measured: there are no held-out pairs",
        }
        return found, (*told, "no held-out pairs: what the reward model is worth is not known")
    length = length_bias(judged)
    accuracy = judged.accuracy()
    warnings = (*told, *_doubts(accuracy, length))
    return {
        "pairs": len(judged),
        "ties": int((judged.margins == 0).sum()),
        "accuracy": accuracy.as_json(),
        "margin": float(judged.margins.mean()),
        "calibration": calibration(judged.margins),
        "length": length,
        "conflicts": dict(conflicts),
        "verdict": verdict(accuracy, length),
    }, warnings


def calibration(margins: Floats) -> Found:
    """The expected calibration error of sigmoid(margin), and its bins (Guo et al. 2017, arXiv 1706.04599).

    The confidence of a pair is that in the answer with the higher reward, from 0.5 on.
    """
    confidence = 1 / (1 + np.exp(-np.abs(margins)))
    right = _wins(margins)
    places = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    bins = []
    for place in range(BINS):
        here = places == place
        if here.any():
            said, was = float(confidence[here].mean()), mean(right[here])
            edges = {"from": 0.5 + place / (2 * BINS), "to": 0.5 + (place + 1) / (2 * BINS)}
            bins.append({**edges, "confidence": said, "accuracy": was.as_json(), "n": int(here.sum())})
    error = sum(abs(_value(one["accuracy"]) - float(str(one["confidence"]))) * int(str(one["n"])) for one in bins)
    return {"error": error / len(margins), "bins": bins}


def _value(number: object) -> float:
    assert isinstance(number, Mapping)
    return float(number["value"])


def length_bias(judged: Judged) -> Found:
    """How a reward model does beside a rule of length, and where length speaks against the chosen answer.

    The rule is that the longer answer wins, or the shorter one where that is the more often right. `correlation` is
    Spearman's of rewards and lengths, each less its pair's mean, so that prompts do not count.
    """
    chosen, rejected = judged.lengths_N2.T
    longer = judged.longer_wins
    rule = "longer" if longer.mean() >= 0.5 else "shorter"
    by_rule = longer if rule == "longer" else 1 - longer
    matched = np.abs(np.log(np.maximum(chosen, 1) / np.maximum(rejected, 1))) < MATCHED
    everywhere = np.ones(len(judged), dtype=bool)
    numbers = {
        "by_rule": judged._mean(by_rule, everywhere),
        "gain": paired_difference(judged.told_apart, by_rule, groups=judged.clusters),
        "chosen_shorter": judged.accuracy(chosen < rejected),
        "chosen_longer": judged.accuracy(chosen > rejected),
        "matched": judged.accuracy(matched),
    }
    correlation = _spearman(judged.margins, chosen - rejected)
    return {"rule": rule, **{name: number.as_json() for name, number in numbers.items()}, "correlation": correlation}


def _spearman(margins: Floats, lengths: Floats) -> float | None:
    """Spearman's correlation of what lies between a pair's rewards and lengths, whichever answer is taken first."""
    from scipy.stats import rankdata

    one, other = (rankdata(np.concatenate([values, -values])) for values in (margins, lengths))
    if one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _number(found: Mapping[str, object], name: str) -> Number:
    given = found[name]
    assert isinstance(given, dict)
    return Number.from_json(given)


def _above(number: Number, bound: float) -> bool:
    """Whether the whole interval lies above a bound."""
    return number.low is not None and number.low > bound


def verdict(accuracy: Number, length: Mapping[str, object]) -> str:
    """What these numbers come to, in words."""
    rule, gain = str(length["rule"]), _number(length, "gain")
    if not _above(accuracy, 0.5):
        return f"no better than chance: accuracy {accuracy}"
    if not _above(gain, 0.0):
        return f"accuracy {accuracy}, but no better than the rule that the {rule} answer wins: gain {gain}"
    return f"accuracy {accuracy}, better than the rule that the {rule} answer wins by {gain}"


def _doubts(accuracy: Number, length: Mapping[str, object]) -> list[str]:
    if not _above(accuracy, 0.5):
        return [
            f"the reward model is no better than chance on held-out pairs: accuracy {accuracy}. Do not optimise it."
        ]
    doubts = []
    gain, rule = _number(length, "gain"), str(length["rule"])
    if not _above(gain, 0.0):
        by_rule = _number(length, "by_rule")
        doubts.append(
            f"the reward model does no better than the rule that the {rule} answer wins: accuracy {accuracy}, "
            f"the rule's {by_rule}, gain {gain}. What is optimised by it may only grow {rule}."
        )
    hard = _number(length, "chosen_shorter" if rule == "longer" else "chosen_longer")
    against = "shorter" if rule == "longer" else "longer"
    if hard.n >= FEW and hard.value is not None and hard.value < 0.5:
        doubts.append(
            f"where the chosen answer is the {against} one the reward model is wrong more often than right: {hard}."
        )
    return doubts


def _told_conflicts(conflicts: Mapping[str, int]) -> list[str]:
    if not any(conflicts.values()):
        return []
    equal, contradictory, cyclic = (conflicts.get(name, 0) for name in ("equal", "contradictory", "cyclic"))
    return [
        f"preferences that cannot all be learnt: {contradictory:,} training pairs are contradicted by another one, "
        f"{cyclic:,} lie on a longer cycle, {equal:,} have the same answer twice"
    ]
