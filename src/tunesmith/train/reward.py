"""Reward models: one number for an answer, learnt from pairs of which one answer is preferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.models.reward_model import last_places, rewards_at
from tunesmith.train.batches import Batch, Index, by_length, feed_of
from tunesmith.train.budget import fingerprint_of, measurements, reward_rate, steps_of, usual_batch
from tunesmith.train.corpus import Rendered
from tunesmith.train.devices import here
from tunesmith.train.dpo import pair_parts
from tunesmith.train.folder import write_reward_folder
from tunesmith.train.job import Computed, Job, Scratch, Trained
from tunesmith.train.judged import Judged, found_of
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.plan import Wishes, planned
from tunesmith.train.reward_pairs import Pairs, pairs_of
from tunesmith.train.reward_start import merged, reward_start
from tunesmith.train.sft import hidden_words
from tunesmith.train.start import Start

if TYPE_CHECKING:
    import torch

LEARNS = "pairs"
CHANGES_VALIDATION = ("center", "label_smoothing", "max_length")


def reward(
    job: Job,
    *,
    center: float = 0.01,
    label_smoothing: float = 0.0,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    word_dropout: float = 0.0,
    max_length: int | None = None,
    patience: int | None = 3,
) -> Trained:
    """A reward model from pairs: a checkpoint's body with one number as its head, read at the last token of an answer.

    The loss is -log sigmoid(chosen - rejected - margin) of Bradley and Terry's model (Ouyang et al. 2022, arXiv
    2203.02155), with the pairs' `margin` where they have one (Touvron et al. 2023, arXiv 2307.09288), plus `center`
    times (chosen + rejected)^2, so that rewards lie about 0 (Eisenstein et al. 2023, arXiv 2312.09244). label_smoothing
    is the share of pairs that are expected to be the wrong way round. An adapter is trained beside the body and merged
    into it in the end. word_dropout is the share of the answers' tokens that is hidden in each step. Accuracy,
    calibration and the length bias are measured on the held-out pairs. Other parameters are as in sft.
    """
    if center < 0 or not 0 <= label_smoothing < 0.5:
        raise UserError("center is 0 or more, and label_smoothing from 0 to below 0.5.", "Half of the pairs is chance.")
    start = reward_start(job)
    limit = min(max_length or start.room, start.room)
    learnt = pairs_of(job, job.train, start, limit, "train")
    held_out = pairs_of(job, job.validation, start, limit, "validation")
    conflicts = learnt.conflicts()
    size = int(
        start.chosen.or_computed(
            "batch_size", batch_size, usual_batch(len(learnt.rendered), scratch=isinstance(job.start, Scratch))
        )
    )
    settings = _settings(job, start, learnt, size, steps, epochs, learning_rate, weight_decay, patience)
    start = planned(
        start,
        learnt.rendered.lengths,
        batch=2 * size,
        steps=settings.steps,
        wishes=Wishes(layout="buckets"),
        held=2,
    )
    objective = RewardLoss(start, Preference(center, label_smoothing), word_dropout, job.seed)
    job.say(f"reward: {len(learnt.rendered):,} pairs, {start.account}, {settings.steps:,} steps of {size}")
    state = train(
        start.model,
        feed_of(
            partial(objective.parts, learnt.rendered),
            learnt.rendered.lengths,
            size=size,
            weights=learnt.rendered.weights,
            seed=job.seed,
        ),
        loss=lambda _, batch: objective(batch, learnt.margins),
        settings=settings,
        validate=partial(objective.validation, held_out) if len(held_out.rendered) else None,
        resume=job.resume,
        fingerprint=fingerprint_of(
            [vars(settings), objective.settings, size, start.computing, job.adapter, learnt.marks], learnt.rendered
        ),
        say=job.say,
        progress=job.progress,
        meter=start.meter(learnt.rendered),
    )
    drawn = state.step * size / float(learnt.rendered.weights.sum())
    known = start.chosen.as_dict(), start.parameters, start.trained
    if not here().is_main:
        return Trained(state.step, drawn, state.curve, *known)
    start = merged(start, job)
    found, warnings = found_of(replace(objective, start=start).judged(held_out), conflicts)
    for warning in warnings:
        job.say(f"warning: {warning}")
    write_reward_folder(job.out, start, curve=state.curve)
    return Trained(state.step, drawn, state.curve, *known, warnings, facts={"reward": found})


def _settings(
    job: Job,
    start: Start,
    learnt: Pairs,
    size: int,
    steps: int | None,
    epochs: float | None,
    learning_rate: float | None,
    weight_decay: float,
    patience: int | None,
) -> Settings:
    """The budget as given, the rest computed from model and pairs."""
    scratch = isinstance(job.start, Scratch)
    usual = (
        Computed(4, "usual from random weights")
        if scratch
        else Computed(1, "usual for reward models: in a second one pairs are learnt by heart")
    )
    count = steps_of(steps, epochs, weights=learnt.rendered.weights, size=size, usual=usual, chosen=start.chosen)
    rate = reward_rate(start.parameters, start.width, scratch=scratch, adapter=start.adapted)
    return Settings(
        steps=count,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, rate),
        weight_decay=weight_decay,
        warmup=0.1,
        seed=job.seed,
        validate_every=measurements(count),
        patience=patience,
    )


@dataclass(frozen=True)
class Preference:
    """The loss of Bradley and Terry's model over the rewards of pairs."""

    center: float = 0.0
    label_smoothing: float = 0.0

    def __call__(self, rewards_2N: torch.Tensor, margins_N: torch.Tensor) -> torch.Tensor:
        """The loss of each pair, [N], from the rewards of all chosen answers and then of all rejected ones."""
        from torch.nn.functional import logsigmoid

        chosen_N, rejected_N = rewards_2N.chunk(2)
        apart_N = chosen_N - rejected_N - margins_N
        loss_N = -(1 - self.label_smoothing) * logsigmoid(apart_N)
        if self.label_smoothing:
            loss_N = loss_N - self.label_smoothing * logsigmoid(-apart_N)
        return loss_N + self.center * (chosen_N + rejected_N) ** 2


@dataclass(frozen=True)
class RewardLoss:
    """The loss of a reward model over rendered pairs, and what it makes of held-out ones."""

    start: Start
    preference: Preference
    word_dropout: float = 0.0
    seed: int = 0

    @property
    def settings(self) -> Mapping[str, object]:
        """All that the loss depends on beside the pairs."""
        return {**asdict(self.preference), "word_dropout": self.word_dropout}

    def parts(self, pairs: Rendered, indices: Index, step: int) -> Iterator[Batch]:
        """The parts of a step's batch, in each the chosen rows first."""
        room = self.start.part_tokens and self.start.part_tokens // 2
        yield from pair_parts(pairs, self.start, indices, step, room=room)

    def __call__(self, batch: Batch, margins: npt.NDArray[np.float32]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A part's share of the loss, of the share of pairs told apart (ties count half) and of the mean margin."""
        import torch

        assert batch.whole is not None
        rewards_2N = self._rewards(
            hidden_words(self.start, batch, word=self.word_dropout, prompt=0.0, seed=self.seed), batch
        )
        loss_N = self.preference(rewards_2N, torch.from_numpy(margins[batch.rows]).to(rewards_2N.device))
        chosen_N, rejected_N = rewards_2N.detach().chunk(2)
        apart_N = (chosen_N > rejected_N).float() + 0.5 * (chosen_N == rejected_N).float()
        shown = {"accuracy": apart_N.sum(), "margin": (chosen_N - rejected_N).sum()}
        rows = batch.whole.rows
        return loss_N.sum() / rows, {name: number / rows for name, number in shown.items()}

    def _rewards(self, batch: Batch, as_given: Batch) -> torch.Tensor:
        """Rewards of the rows of a batch, read where those of the batch as it was given end."""
        ends_B = last_places(as_given.ids_BT, self.start.pad)
        return rewards_at(self.start.core, batch.ids_BT, ends_B, self.start.device.autocast())

    def rewards(self, pairs: Rendered, *, size: int = 64) -> torch.Tensor:
        """Rewards of all pairs, [pairs, 2], on the CPU."""
        import torch

        found = torch.zeros(len(pairs), 2)
        self.start.model.eval()
        with torch.no_grad():
            for indices in by_length(pairs.lengths, size):
                for batch in self.parts(pairs, indices, 0):
                    found[batch.rows] = self._rewards(batch, batch).reshape(2, -1).T.cpu()
        self.start.model.train()
        return found

    def validation(self, pairs: Pairs) -> Numbers:
        """Loss, share of pairs told apart and mean margin on held-out pairs."""
        import torch

        rewards_N2 = self.rewards(pairs.rendered)
        loss = self.preference(rewards_N2.T.reshape(-1), torch.from_numpy(pairs.margins)).mean()
        judged = Judged(rewards_N2.double().numpy(), np.zeros((len(rewards_N2), 2)), [None] * len(rewards_N2))
        return {
            "validation_loss": loss.item(),
            "validation_accuracy": float(judged.told_apart.mean()),
            "validation_margin": float(judged.margins.mean()),
        }

    def judged(self, pairs: Pairs) -> Judged:
        """Held-out pairs with their rewards and the lengths of their answers in tokens."""
        lengths = np.stack([side.labels for side in pairs.rendered.sides], axis=1).astype(np.float64)
        return Judged(self.rewards(pairs.rendered).double().numpy(), lengths, pairs.clusters())
