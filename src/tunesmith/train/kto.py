"""Preference tuning on single answers, each good or bad, held to the good ones by an anchor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.models.conversation import conversation_of
from tunesmith.train.batches import Batch, Index, Line, Whole, by_length, collate, parts_of
from tunesmith.train.corpus import Rendered, render_rows
from tunesmith.train.devices import here
from tunesmith.train.dpo import answer_tokens
from tunesmith.train.job import Job, Row, Rows, Trained
from tunesmith.train.loop import Numbers
from tunesmith.train.losses import answer_logps
from tunesmith.train.plan import Wishes, planned
from tunesmith.train.preferring import budget_of, prefer, tuned_start
from tunesmith.train.sft import tokens_folder
from tunesmith.train.start import Start
from tunesmith.train.unpaired import UNPAIRED_LOSSES, Judged, Unpaired, balanced, mismatched, partners
from tunesmith.train.watching import Asked, watcher_of

if TYPE_CHECKING:
    import torch

Thumbs = npt.NDArray[np.bool_]

LEARNS = "pairs"
CHANGES_VALIDATION = ("loss", "beta", "anchor", "desirable_weight", "undesirable_weight", "max_length")


def kto(
    job: Job,
    *,
    loss: Literal["kto", "apo_zero_unpaired"] = "kto",
    beta: float = 0.1,
    anchor: float = 1.0,
    desirable_weight: float | None = None,
    undesirable_weight: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    max_length: int | None = None,
    patience: int | None = 3,
    meaning_margin: float | None = 0.02,
) -> Trained:
    """Preference tuning on answers with a thumb up or down (KTO), starting from a tuned checkpoint.

    A row is a chat whose `desirable` says whether its last turn is a good answer, or a pair, which is a good and a bad
    one. beta is how closely the model is held to its start, anchor the weight of the good answers' own negative
    log-likelihood. desirable_weight and undesirable_weight are computed so that good answers weigh 1 to 4/3 times what
    bad ones do in all, as the paper advises. Other parameters are as in dpo.
    """
    if beta <= 0 or anchor < 0:
        raise UserError(f"beta {beta:g} or anchor {anchor:g} will not do.", "beta is above 0, anchor 0 or more.")
    start = tuned_start(job)
    limit = min(max_length or start.room, start.room)
    (learnt, up), (held_out, held_up) = (
        _rendered(job, rows, start, limit, part)
        for rows, part in ((job.train, "train"), (job.validation, "validation"))
    )
    counts = (float(learnt.weights[up].sum()), float(learnt.weights[~up].sum()))
    good, bad = balanced(*counts, desirable_weight, undesirable_weight)
    weights = (
        desirable_weight if good is None else start.chosen.or_computed("desirable_weight", None, good),
        undesirable_weight if bad is None else start.chosen.or_computed("undesirable_weight", None, bad),
    )
    budget = budget_of(
        *(start, learnt, job.seed),
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
    )
    wishes = Wishes(layout="buckets")
    start = planned(start, learnt.lengths, batch=budget.batch_size, steps=budget.settings.steps, wishes=wishes)
    job.say(f"kto: {loss}, {len(learnt):,} answers, {int(up.sum()):,} of them good, {start.account}, {budget}")
    objective = Objective(loss, beta, anchor, cast("tuple[float, float]", weights))
    pairing = Pairing(((learnt, up), (held_out, held_up)), job.seed, limit)
    watcher = watcher_of(job, start, Unpaired(job.validation), held_out.kept, _asked)
    return prefer(
        *(job, start, learnt, held_out, watcher),
        loss=AnswerLoss(start, objective, pairing),
        budget=budget,
        margin=meaning_margin,
    )


def _rendered(job: Job, rows: Rows, start: Start, limit: int, part: str) -> tuple[Rendered, Thumbs]:
    unpaired = Unpaired(rows)
    found = render_rows(
        unpaired, [partial(answer_tokens, start, "answer")], limit=limit, folder=tokens_folder(job, part)
    )
    if left := found.too_long + found.empty:
        job.say(f"{part}: {left:,} answers longer than {limit} tokens or empty are left out")
    if without := unpaired.without():
        job.say(f"{part}: {without:,} rows are no pair and have no `desirable` for a last turn: they are left out")
    if part == "train" and not len(found):
        raise UserError(
            "No row has an answer that is judged, within the length limit.",
            f"A row is a pair, or a chat with `desirable: true` or `false`. The limit is {limit} tokens.",
        )
    return found, unpaired.desirable()[found.kept]


def _asked(row: Row) -> Asked | None:
    answer = cast("Sequence[Mapping[str, str]]", row["answer"])
    return (conversation_of(row), answer[0]["content"]) if row["desirable"] and answer[0]["content"] else None


@dataclass(frozen=True)
class Objective:
    """The loss of answers, and what each kind of them weighs."""

    loss: str
    beta: float
    anchor: float
    weights: tuple[float, float]  # of desirable and of undesirable answers


@dataclass(frozen=True)
class Pairing:
    """Which rows are good answers, and whose answer each gets in the estimate of the KL."""

    parts: tuple[tuple[Rendered, Thumbs], ...]
    seed: int
    limit: int

    def desirable(self, rows: Rendered, indices: Index) -> Thumbs:
        """Which of these rows are good answers."""
        return next(thumbs for part, thumbs in self.parts if part is rows)[indices]

    def mismatched(self, rows: Rendered, indices: Index) -> list[Line]:
        """The prompts of these rows with the answers of others, which are the same throughout a training."""
        partner = partners(len(rows), self.seed)
        return [mismatched(rows.sides[0], int(i), int(partner[i]), self.limit) for i in indices]


@dataclass(frozen=True)
class AnswerBatch(Batch):
    """A part of a batch of answers, and what of the whole batch its loss needs; `whole` counts good answers' tokens."""

    desirable: Thumbs | None = None
    others: tuple[Batch, ...] = ()  # mismatched answers of the whole batch; its first part has them


class AnswerLoss:
    """The loss of a model over single answers."""

    def __init__(self, start: Start, objective: Objective, pairing: Pairing) -> None:
        self.start = start
        self.objective = objective
        self.pairing = pairing
        self.kl: torch.Tensor | None = None  # of the batch at hand

    @property
    def settings(self) -> object:
        """All that the loss depends on beside the rows."""
        thumbs = [np.packbits(thumbs).tobytes().hex() for _, thumbs in self.pairing.parts]
        return [asdict(self.objective), self.pairing.seed, self.pairing.limit, thumbs]

    def parts(self, rows: Rendered, indices: Index, step: int) -> Iterator[AnswerBatch]:
        """The parts of a step's batch; the first that a process takes has the mismatched answers of all."""
        up = self.pairing.desirable(rows, indices)
        whole = Whole(step, len(indices), max(1, int(rows.sides[0].labels[indices][up].sum())))
        others = tuple(self._others(rows, indices)) if self.objective.loss == "kto" else ()
        world = here().world
        for number, part in enumerate(parts_of(indices, rows.lengths, self.start.part_tokens, world=world)):
            batch = self._batch(rows.sides[0].rows(part), part, whole)
            first = others if number < world else ()
            yield AnswerBatch(**vars(batch), desirable=self.pairing.desirable(rows, part), others=first)

    def _others(self, rows: Rendered, indices: Index) -> Iterator[Batch]:
        for part in parts_of(indices, rows.lengths, self.start.part_tokens):
            yield self._batch(self.pairing.mismatched(rows, part), part, None)

    def _batch(self, lines: Sequence[Line], part: Index, whole: Whole | None) -> Batch:
        return replace(collate(lines, pad=self.start.pad, device=self.start.device.name, whole=whole), rows=part)

    def __call__(self, batch: AnswerBatch, reference: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A part's share of the loss, and of what to show of it; the KL is that of the whole batch."""
        import torch

        assert batch.whole is not None
        assert batch.desirable is not None
        if batch.others:
            with torch.no_grad():
                ratios = [self._logps(other) - _of(reference[:, 1], other) for other in batch.others]
            self.kl = torch.cat(ratios).mean().clamp(min=0)
        logps_B = self._logps(batch)
        return self._loss(logps_B, logps_B - _of(reference[:, 0], batch), batch.desirable, self.kl, batch.whole)

    def _loss(
        self, logps_B: torch.Tensor, ratios_B: torch.Tensor, desirable: Thumbs, kl: torch.Tensor | None, whole: Whole
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        import torch

        up = torch.from_numpy(desirable).to(logps_B.device)
        judged = Judged(ratios_B, up, logps_B.new_zeros(()) if kl is None else kl)
        losses = UNPAIRED_LOSSES[self.objective.loss](judged, beta=self.objective.beta)
        good, bad = self.objective.weights
        preference = (losses * torch.where(up, good, bad)).sum() / whole.rows
        nll = -(logps_B * up).sum() / whole.tokens
        rewards = self.objective.beta * ratios_B.detach()
        shown = {"margin": torch.where(up, rewards, -rewards).sum() / whole.rows, "good_nll": nll.detach()}
        shown |= {} if kl is None else {"kl": kl * (len(desirable) / whole.rows)}
        return preference + self.objective.anchor * nll, shown

    def _logps(self, batch: Batch) -> torch.Tensor:
        with self.start.device.autocast():
            return answer_logps(self.start.model, batch)[0].sum(dim=1)

    def reference(self, rows: Rendered, size: int = 64) -> torch.Tensor:
        """Log-probabilities of each answer, and of the mismatched one, under the model as it is now, [rows, 2]."""
        import torch

        found = torch.zeros(len(rows), 2)
        self.start.model.eval()
        with torch.no_grad():
            for indices in by_length(rows.lengths, size):
                for batch in self.parts(rows, indices, 0):
                    for column, each in ((0, batch), *((1, other) for other in batch.others)):
                        found[each.rows, column] = self._logps(each).cpu()
        self.start.model.train()
        return found

    def validation(self, rows: Rendered, reference: torch.Tensor, *, size: int = 64) -> Numbers:
        """Loss, KL and mean margin on held-out answers, all of them taken as one batch."""
        every = np.arange(len(rows))
        up = self.pairing.desirable(rows, every)
        now_N2 = self.reference(rows, size)
        ratios_N2 = now_N2 - reference
        whole = Whole(0, len(rows), max(1, int(rows.sides[0].labels[up].sum())))
        kl = ratios_N2[:, 1].mean().clamp(min=0) if self.objective.loss == "kto" else None
        loss, shown = self._loss(now_N2[:, 0], ratios_N2[:, 0], up, kl, whole)
        return {f"validation_{name}": number.item() for name, number in {"loss": loss, **shown}.items()}


def _of(column: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The values of a batch's rows, beside them."""
    return column[batch.rows].to(batch.ids_BT.device)
