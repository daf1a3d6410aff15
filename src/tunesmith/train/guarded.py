"""Held-out prompts while a model is trained by a reward: what its answers are worth, and what they have lost.

A policy that is paid by a measure learns the measure, and in the end not what it stands for (Gao et al. 2022, arXiv
2210.10760). So the reward on held-out prompts decides only among measurements whose answers stayed near those of the
start: in KL, meaning, length and variety.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.models.rows import asked_of, prompt_of
from tunesmith.train.batches import by_length, parts_of
from tunesmith.train.job import Job, Row
from tunesmith.train.loop import Numbers, State
from tunesmith.train.losses import answer_logps
from tunesmith.train.policy import Sampled
from tunesmith.train.prompts import Prompts, expected_of
from tunesmith.train.rollouts import Answers, Policy, Reference, answered, batch_of, rewards_of
from tunesmith.train.sampling import Sampler, draws_of
from tunesmith.train.start import Start
from tunesmith.train.watching import GROWN, MEANING, SHRUNK, WORDS, Watcher

if TYPE_CHECKING:
    from tunesmith.train.job import Reward

Shown = tuple[str, float]  # an answer, and its reward

MOST_PROMPTS = 256  # a mean of ROUGE-L over 64 answers moves by 0.02 by chance alone, as much as may be lost
EACH = 2  # answers sampled to a held-out prompt
SHOWN = 8  # prompts whose answers are kept for people
HELD_OUT = 2**31  # stands where a step stands in the seed of a training's draws
REWARD, KL, DISTINCT, DISTINCT_2, TOKENS = (
    f"validation_{name}" for name in ("reward", "kl", "distinct", "distinct_2", "tokens")
)


@dataclass(frozen=True)
class HeldOut:
    """Held-out prompts, always the same and with the same random numbers."""

    start: Start
    prompts: Prompts
    indices: Sequence[int]
    rows: Sequence[Row]
    reward: Reward
    sampler: Sampler
    reference: Reference
    watcher: Watcher
    seed: int

    def numbers(self) -> Numbers:
        """Reward, KL to the start, length and variety of the answers that the model gives now; loss is -reward."""
        found, greedy = self._sampled(), self.watcher.answers()
        worth = fmean(found.rewards)
        numbers = {"loss": -worth, "reward": worth, "greedy_reward": fmean(self.worth(greedy))}
        numbers |= self._distance(found) | variety(found.texts, self.sampler.each)
        numbers["tokens"] = fmean(map(len, found.ids))
        numbers["truncated"] = fmean(not self.sampler.is_whole(ids) for ids in found.ids)
        numbers |= self.watcher.watch(greedy, self.watcher.expected)
        return {f"validation_{name}": float(number) for name, number in numbers.items()}

    def shown(self) -> list[Shown]:
        """Greedy answers to the first few prompts, and their rewards."""
        some = replace(self.watcher, prompts=self.watcher.prompts[:SHOWN])
        answers = some.answers()
        return list(zip(answers, self.worth(answers), strict=True))

    def worth(self, answers: Sequence[str]) -> list[float]:
        """The rewards of an answer to each of the first prompts."""
        return rewards_of(self.reward, self.rows[: len(answers)], answers)

    def _sampled(self) -> Answers:
        draws = [
            draws_of(self.seed, HELD_OUT, place, answers=self.sampler.each, tokens=self.sampler.new_tokens)
            for place in range(len(self.indices))
        ]
        return answered(self.sampler, self.reward, self.prompts, self.rows, self.indices, draws)

    def _distance(self, found: Answers) -> Numbers:
        """The KL to the start in nats an answer, by its two estimates."""
        import torch

        prompts = [self.prompts.ids(index) for index in self.indices for _ in range(self.sampler.each)]
        lengths = np.array([len(p) + len(ids) for p, ids in zip(prompts, found.ids, strict=True)])
        sums = {"kl": 0.0, "kl_k3": 0.0}
        self.start.model.eval()
        for some in by_length(lengths, 256):
            for part in parts_of(some, lengths, self.start.part_tokens):
                batch = batch_of(self.start, [prompts[i] for i in part], [found.ids[i] for i in part], None)
                reference_BT = self.reference.logps(batch)
                with torch.no_grad(), self.start.device.autocast():
                    logps_BT, there_BT = answer_logps(self.start.model, batch)
                scored = Sampled(torch.zeros(len(part)), logps_BT, reference_BT, there_BT)
                sums["kl"] += scored.kl_B.sum().item()
                sums["kl_k3"] += (scored.kl3_BT * there_BT).sum().item()
        self.start.model.train()
        return {name: total / len(prompts) for name, total in sums.items()}


def variety(texts: Sequence[str], each: int) -> Numbers:
    """Share of distinct answers to a prompt, and of distinct pairs of words in all answers (Li et al. 2016).

    >>> variety(["Load it.", "Load it.", "Save it.", "Close it."], 2)
    {'distinct': 0.75, 'distinct_2': 0.75}
    """
    groups = [texts[i : i + each] for i in range(0, len(texts), each)]
    pairs = [pair for text in texts for pair in pairwise(text.lower().split())]
    return {
        "distinct": fmean(len({one.strip() for one in group}) / each for group in groups),
        "distinct_2": len(set(pairs)) / len(pairs) if pairs else 0.0,
    }


def held_out_of(job: Job, prompts: Prompts, policy: Policy) -> HeldOut | None:
    """Up to 256 held-out prompts, evenly chosen; None where there are none."""
    if not len(prompts):
        return None
    chosen = np.unique(np.linspace(0, len(prompts) - 1, MOST_PROMPTS).round().astype(np.int64))
    rows = list(prompts.rows(chosen).values())
    indices = [int(index) for index in chosen]
    expected = [expected_of(row) for row in rows]
    watch = job.watch or (lambda _answers, _expected: {})
    asked = [prompts.ids(index) for index in indices]
    watcher = Watcher(policy.start, asked, expected, watch, policy.sampler.new_tokens)
    few = replace(policy.sampler, each=EACH)
    return HeldOut(policy.start, prompts, indices, rows, policy.reward, few, policy.reference, watcher, job.seed)


@dataclass(frozen=True)
class Guards:
    """What a measurement may have lost of the start's for its weights to be kept; None is no bound."""

    meaning_margin: float | None
    diversity_floor: float | None
    kl_bound: float | None

    def lost(self, begin: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
        """Every bound that these numbers break, in words; with a meaning_margin the length is bounded as well."""
        return [*self._meaning(begin, now), *self._diversity(begin, now), *self._kl(now)]

    def _meaning(self, begin: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
        if self.meaning_margin is None:
            return
        if MEANING in begin and now[MEANING] < begin[MEANING] - self.meaning_margin:
            yield f"meaning fell from {begin[MEANING]:.3f} to {now[MEANING]:.3f}"
        for name, unit in ((TOKENS, "tokens sampled"), (WORDS, "words")):
            before, after = begin.get(name), now.get(name)
            if before and after is not None and not SHRUNK * before <= after <= GROWN * before:
                yield f"answers went from {before:.1f} to {after:.1f} {unit}"

    def _diversity(self, begin: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
        if self.diversity_floor is None:
            return
        for name, what in ((DISTINCT, "distinct answers to a prompt"), (DISTINCT_2, "distinct pairs of words")):
            if now[name] < self.diversity_floor * begin[name]:
                yield f"{what} fell from {begin[name]:.0%} to {now[name]:.0%}"

    def _kl(self, now: Mapping[str, float]) -> Iterator[str]:
        if self.kl_bound is not None and now[KL] > self.kl_bound:
            yield f"the KL to the start is {now[KL]:.2f} nats an answer"

    def __str__(self) -> str:
        bounds = [
            None
            if self.meaning_margin is None
            else f"meaning down to {self.meaning_margin:g} below it, half to twice its length",
            None if self.diversity_floor is None else f"{self.diversity_floor:g} of its variety",
            None if self.kl_bound is None else f"{self.kl_bound:g} nats from it",
        ]
        return "; ".join(bound for bound in bounds if bound) or "no bound"


@dataclass(frozen=True)
class Guarded:
    """Measures held-out prompts, and says whose weights may be kept beside the start's own numbers and answers."""

    held_out: HeldOut
    guards: Guards
    begin: Numbers
    shown: Sequence[Shown]

    def __call__(self) -> Numbers:
        """The numbers of the model as it is, with "eligible" 1 where its weights may be kept, else 0."""
        found = self.held_out.numbers()
        return {**found, "eligible": float(not self.guards.lost(self.begin, found))}

    @property
    def account(self) -> str:
        """The start's own numbers, for people, and the bounds."""
        meaning = f", meaning {self.begin[MEANING]:.3f}" if MEANING in self.begin else ", nothing expected of them"
        return f"reward {self.begin[REWARD]:.3f}{meaning} at the start; kept is what stays within: {self.guards}"

    def refused(self, state: State) -> list[Refused]:
        """The measurements whose weights may not be kept."""
        later = [(entry, self.guards.lost(self.begin, entry)) for entry in state.curve if KL in entry and entry["step"]]
        return [Refused(int(entry["step"]), entry[REWARD], " and ".join(why)) for entry, why in later if why]

    def warnings(self, state: State) -> tuple[str, ...]:
        """Why the start was kept, where it was."""
        if state.best_step:
            return ()
        better = [one for one in self.refused(state) if one.reward > self.begin[REWARD]]
        if not better:
            return ("no measurement had a higher reward on held-out prompts than the start: the start is kept",)
        last = better[-1]
        return (
            f"held-out reward went from {self.begin[REWARD]:.3f} to {last.reward:.3f} at step {last.step}, but "
            f"{last.why}: the reward is gamed, the start is kept",
        )

    def facts(self, state: State) -> dict[str, object]:
        """What the report tells: the step that was kept, the ones refused, and answers before and after."""
        kept = next(entry for entry in state.curve if entry["step"] == state.best_step)
        after = self.held_out.shown()
        both = zip(self.held_out.rows, self.held_out.watcher.expected, self.shown, after, strict=False)
        samples = [
            {
                "id": str(row.get("id") or ""),
                "prompt": prompt_of(asked_of(row)),
                "expected": expected,
                **{"before": before[0], "before_reward": before[1], "after": then[0], "after_reward": then[1]},
            }
            for row, expected, before, then in both
        ]
        return {
            "kept": state.best_step,
            "prompts": len(self.held_out.indices),
            "start": _plain(self.begin),
            "end": _plain(kept),
            "bounds": str(self.guards),
            "refused": [asdict(one) for one in self.refused(state)],
            "samples": samples,
        }


@dataclass(frozen=True)
class Refused:
    """A measurement whose weights may not be kept, and why."""

    step: int
    reward: float
    why: str


def _plain(numbers: Numbers) -> Numbers:
    return {
        name.removeprefix("validation_"): value for name, value in numbers.items() if name.startswith("validation_")
    }
