"""A step's answers, sampled by the weights as they are, rewarded, and laid out as the parts of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens
from tunesmith.train.batches import Batch, Index, Whole, collate, parts_of
from tunesmith.train.devices import Devices, here
from tunesmith.train.job import Reward, Row
from tunesmith.train.loop import trained_weights
from tunesmith.train.losses import answer_logps
from tunesmith.train.policy import PolicyObjective, Sampled
from tunesmith.train.prompts import Prompts
from tunesmith.train.sampling import Draws, Sampler, draws_of
from tunesmith.train.start import Start

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Numbers = dict[str, "torch.Tensor"]


class Reference:
    """The model as it was at the start: a copy of the weights that move, put in their place while it is asked."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.weights = [weight.detach().clone() for weight in trained_weights(start.model)]

    @contextmanager
    def there(self) -> Iterator[None]:
        """The model is the start's within."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _exchange(self) -> None:
        for place, weight in enumerate(trained_weights(self.start.model)):
            weight.data, self.weights[place] = self.weights[place], weight.data

    def logps(self, batch: Batch) -> torch.Tensor:
        """Log-probability at the start of each label, [B, T-1]."""
        import torch

        with self.there(), torch.no_grad(), self.start.device.autocast():
            return answer_logps(self.start.model, batch)[0]


@dataclass(frozen=True)
class Answers:
    """Sampled answers, those to a prompt together, and what each is worth."""

    ids: list[list[int]]
    texts: list[str]
    rewards: list[float]


@dataclass(frozen=True)
class Rollouts(Batch):
    """A part of a batch of answers to learn from: all answers to some prompts, those to a prompt together."""

    rewards_B: torch.Tensor | None = None
    reference_BT: torch.Tensor | None = None
    cut_B: torch.Tensor | None = None  # which answers came to no end
    ranks: int = 1  # processes that have a part beside this one


@dataclass(frozen=True)
class Policy:
    """Samples, rewards and learns: what a step does with its prompts."""

    start: Start
    prompts: Prompts
    rows: Mapping[int, Row]
    reward: Reward
    sampler: Sampler
    objective: PolicyObjective
    reference: Reference
    seed: int
    mask_truncated: bool = False

    @property
    def settings(self) -> list[object]:
        """All that the training depends on beside prompts, rewards and budget."""
        return [asdict(self.objective), self.sampler.stops, self.mask_truncated]

    def parts(self, indices: Index, step: int) -> Iterator[Rollouts]:
        """The parts of a step's batch; each process samples those that it takes, and passes them off for the others'.

        Nothing is sampled before the first part is asked for: the weights are then those of the step.
        """
        devices, places = here(), np.arange(len(indices))
        lengths = self.prompts.lengths[indices] + self.sampler.new_tokens
        room = self.start.part_tokens and max(1, self.start.part_tokens // self.sampler.each)
        parts = parts_of(places, lengths, room, world=devices.world)
        rounds = [parts[i : i + devices.world] for i in range(0, len(parts), devices.world)]
        mine = [part[devices.rank if devices.rank < len(part) else 0] for part in rounds]
        found = self._answered(indices, np.concatenate(mine), step)
        whole = Whole(step, len(indices) * self.sampler.each, self._tokens(found, rounds, mine, devices))
        begin = 0
        for part, taken in zip(rounds, mine, strict=True):
            end = begin + len(taken) * self.sampler.each
            one = self._part([self.prompts.ids(int(i)) for i in indices[taken]], found, slice(begin, end), whole)
            yield from [one] * len(part)
            begin = end

    def _answered(self, indices: Index, places: Index, step: int) -> Answers:
        draws = [self._draws(step, int(place)) for place in places]
        chosen = [int(index) for index in indices[places]]
        return answered(self.sampler, self.reward, self.prompts, [self.rows[i] for i in chosen], chosen, draws)

    def _draws(self, step: int, place: int) -> Draws:
        return draws_of(self.seed, step, place, answers=self.sampler.each, tokens=self.sampler.new_tokens)

    def _tokens(self, found: Answers, rounds: list[list[Index]], mine: list[Index], devices: Devices) -> int:
        """Tokens of all answers of the batch; a part that only stands in for one that is not there does not count."""
        counts, begin, own = [len(ids) for ids in found.ids], 0, 0
        for part, taken in zip(rounds, mine, strict=True):
            end = begin + len(taken) * self.sampler.each
            own += sum(counts[begin:end]) if devices.rank < len(part) else 0
            begin = end
        return max(1, int(devices.added({"tokens": float(own)})["tokens"]))

    def _part(self, prompts: Sequence[list[int]], found: Answers, where: slice, whole: Whole) -> Rollouts:
        import torch

        answers = found.ids[where]
        batch = batch_of(self.start, [p for p in prompts for _ in range(self.sampler.each)], answers, whole)
        cut = torch.tensor([not self.sampler.is_whole(ids) for ids in answers], device=batch.ids_BT.device)
        if self.mask_truncated:
            batch.labels_BT[cut] = -100
        rewards = torch.tensor(found.rewards[where], dtype=torch.float32, device=batch.ids_BT.device)
        return Rollouts(**vars(batch), rewards_B=rewards, reference_BT=self.reference.logps(batch), cut_B=cut)

    def loss(self, model: PreTrainedModel, part: Rollouts) -> tuple[torch.Tensor, Numbers]:
        """A part's share of the loss, and of what to show of it."""
        assert part.whole is not None
        assert part.rewards_B is not None
        assert part.reference_BT is not None
        assert part.cut_B is not None
        with self.start.device.autocast():
            logps_BT, there_BT = answer_logps(model, part)
        scored = Sampled(part.rewards_B, logps_BT, part.reference_BT, there_BT)
        grouped = part.rewards_B.reshape(-1, self.sampler.each)
        shown = {
            "reward": part.rewards_B.sum(),
            "kl": scored.kl_B.sum(),
            "tokens": there_BT.sum(),
            "truncated": part.cut_B.sum(),
            "even": (grouped.amax(1) == grouped.amin(1)).sum() * self.sampler.each,  # nothing to learn from
        }
        loss = self.objective.loss(scored, rows=part.whole.rows, tokens=part.whole.tokens)
        return loss, {name: number / part.whole.rows for name, number in shown.items()}


def answered(
    sampler: Sampler,
    reward: Reward,
    prompts: Prompts,
    rows: Sequence[Row],
    indices: Sequence[int],
    draws: Sequence[Draws],
) -> Answers:
    """Answers to some prompts, sampled with these random numbers, and their rewards, asked for in one call."""
    ids = sampler.answers([prompts.ids(index) for index in indices], draws)
    texts = [sampler.text(one) for one in ids]
    return Answers(ids, texts, rewards_of(reward, [row for row in rows for _ in range(sampler.each)], texts))


def rewards_of(reward: Reward, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
    """One finite number an answer; raises UserError where the reward gives anything else."""
    found = [float(value) for value in reward(rows, texts)]
    if len(found) != len(texts) or not np.isfinite(found).all():
        bad = next((text for text, value in zip(texts, found, strict=False) if not np.isfinite(value)), "")
        raise UserError(
            f"The reward gave {len(found)} numbers for {len(texts)} answers, not all of them finite (first: {bad!r}).",
            "A reward is one number for every answer, an empty or an endless one too.",
        )
    return found


def batch_of(
    start: Start, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], whole: Whole | None
) -> Batch:
    """Prompts with an answer each, whose tokens are the labels."""
    rows = [
        Tokens([*prompt, *answer], [0] * len(prompt) + [1] * len(answer))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return collate(rows, pad=start.pad, device=start.device.name, whole=whole)
