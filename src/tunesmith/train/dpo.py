"""Direct preference optimisation and its relatives, held to the chosen answers by an anchor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens, render_all
from tunesmith.models.conversation import conversation_of
from tunesmith.train.batches import Batch, Index, Whole, by_length, collate, parts_of
from tunesmith.train.corpus import Rendered, render_rows
from tunesmith.train.devices import here
from tunesmith.train.job import Job, Row, Rows, Trained
from tunesmith.train.loop import Numbers
from tunesmith.train.losses import answer_logps
from tunesmith.train.objective import Divergence, LossName, Objective, objective_of
from tunesmith.train.plan import Wishes, planned
from tunesmith.train.preferences import Scored, answer_sums
from tunesmith.train.preferring import budget_of, prefer, tuned_start
from tunesmith.train.sft import tokens_folder
from tunesmith.train.start import Start
from tunesmith.train.watching import Asked, watcher_of

if TYPE_CHECKING:
    import torch

LEARNS = "pairs"
CHANGES_VALIDATION = (  # what validation loss is measured by: a search cannot decide on these
    "loss", "beta", "anchor", "label_smoothing", "discopop_tau", "ld_alpha", "f_divergence", "f_alpha", "max_length",
)  # fmt: skip


def dpo(
    job: Job,
    *,
    loss: LossName | Mapping[LossName, float] = "sigmoid",
    beta: float = 0.3,
    anchor: float | None = None,
    label_smoothing: float | None = None,
    discopop_tau: float | None = None,
    ld_alpha: float | None = None,
    f_divergence: Divergence = "reverse_kl",
    f_alpha: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    max_length: int | None = None,
    patience: int | None = 3,
    meaning_margin: float | None = 0.02,
) -> Trained:
    """Preference tuning on pairs of a chosen and a rejected answer, starting from a tuned checkpoint.

    loss is one of TRL's loss types, or several with their weights (MPO, arXiv 2411.10442). beta is how closely the
    model is held to its start. anchor is the weight of the chosen answers' own negative log-likelihood, 1 unless the
    loss gives `sft` another: without it (anchor 0) small models learn to tell the answers apart and forget how to write
    them. label_smoothing, discopop_tau, ld_alpha, f_divergence and f_alpha belong to some losses only (the docs say
    which) and have the papers' values by default. The reference's log-probabilities are computed once, before the first
    step. Weights are kept only from measurements where the meaning of held-out answers is at most meaning_margin
    (ROUGE-L to the chosen answers) below the start's and their length is between half and twice the usual; null
    switches that off. Other parameters are as in sft.
    """
    objective = objective_of(
        loss,
        beta=beta,
        anchor=anchor,
        label_smoothing=label_smoothing,
        discopop_tau=discopop_tau,
        ld_alpha=ld_alpha,
        f_divergence=f_divergence,
        f_alpha=f_alpha,
    )
    start = tuned_start(job)
    limit = min(max_length or start.room, start.room)
    learnt = rendered_pairs(job, job.train, start, limit, "train")
    held_out = rendered_pairs(job, job.validation, start, limit, "validation")
    budget = budget_of(
        *(start, learnt, job.seed),
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
    )
    start = planned(
        start,
        learnt.lengths,
        batch=2 * budget.batch_size,
        steps=budget.settings.steps,
        wishes=Wishes(layout="buckets"),
        held=2,
    )
    job.say(f"dpo: {objective}, {len(learnt):,} pairs, {start.account}, {budget}")
    watcher = watcher_of(job, start, job.validation, held_out.kept, _asked)
    return prefer(
        job, start, learnt, held_out, watcher, loss=PairLoss(start, objective), budget=budget, margin=meaning_margin
    )


def rendered_pairs(job: Job, rows: Rows, start: Start, limit: int, part: str) -> Rendered:
    """The pairs of a part whose two answers fit; those left out are said."""
    renders = [partial(answer_tokens, start, side) for side in ("chosen", "rejected")]
    found = render_rows(rows, renders, limit=limit, folder=tokens_folder(job, part))
    if left := found.too_long + found.empty:
        job.say(f"{part}: {left:,} pairs longer than {limit} tokens or without an answer are left out")
    if part == "train" and not len(found):
        raise UserError("No pair has two answers within the length limit.", f"The limit is {limit} tokens.")
    return found


def answer_tokens(start: Start, side: str, rows: Sequence[Row]) -> list[Tokens]:
    """Prompt and answer of each row; only the answer, not earlier turns of the prompt, is in the mask."""
    prompts = render_all(start.tokenizer, [conversation_of(row) for row in rows], answer=False)
    whole = render_all(start.tokenizer, [conversation_of(row, side if row.get(side) else None) for row in rows])
    return [_last_turn_only(tokens, len(prompt.ids)) for tokens, prompt in zip(whole, prompts, strict=True)]


def _last_turn_only(tokens: Tokens, prompt: int) -> Tokens:
    """The mask without assistant turns of the prompt: only the answers are compared."""
    return Tokens(tokens.ids, [0] * prompt + tokens.mask[prompt:])


def _asked(row: Row) -> Asked | None:
    chosen = cast("Sequence[Mapping[str, str]]", row["chosen"])
    return (conversation_of(row), chosen[0]["content"]) if chosen and chosen[0]["content"] else None


def pair_parts(pairs: Rendered, start: Start, indices: Index, step: int, *, room: int | None) -> Iterator[Batch]:
    """The parts of a step's batch, in each the chosen rows first and then the rejected ones; without room, one."""
    chosen, rejected = pairs.sides
    whole = Whole(step, len(indices), int(chosen.labels[indices].sum()))
    for part in parts_of(indices, pairs.lengths, room, world=here().world):
        rows = chosen.rows(part) + rejected.rows(part)
        yield replace(collate(rows, pad=start.pad, device=start.device.name, whole=whole), rows=part)


@dataclass(frozen=True)
class PairLoss:
    """The preference loss of a model over pairs."""

    start: Start
    objective: Objective

    @property
    def settings(self) -> object:
        """All that the loss depends on beside the rows."""
        return asdict(self.objective)

    def parts(self, rows: Rendered, indices: Index, step: int) -> Iterator[Batch]:
        """The parts of a step's batch; a loss that sorts the batch has it in one."""
        return pair_parts(rows, self.start, indices, step, room=None if self.objective.whole_batch else self._room)

    @property
    def _room(self) -> int | None:
        return self.start.part_tokens and self.start.part_tokens // 2

    def __call__(self, batch: Batch, reference: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A part's share of the loss, and of what to show of it."""
        assert batch.whole is not None
        return self._loss(self._answers(batch), reference[batch.rows], batch.whole)

    def _loss(
        self, answers: Answers, reference_N2: torch.Tensor, whole: Whole
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        scored = Scored(
            answers.logps_2N,
            reference_N2.T.reshape(-1).to(answers.logps_2N.device),
            answers.tokens_2N,
            answers.nll_N,
            whole.tokens / whole.rows,
            self.objective.divergence,
        )
        chosen, rejected = scored.ratios
        margins = self.objective.beta * (chosen - rejected).detach()
        told_apart = (margins > 0).float() + 0.5 * (margins == 0).float()  # at the start all are ties
        shown = {
            "accuracy": told_apart.sum() / whole.rows,
            "margin": margins.sum() / whole.rows,
            "chosen_nll": answers.nll_N.detach().sum() / whole.tokens,
        }
        return self.objective(scored).sum() / whole.rows, shown

    def _answers(self, batch: Batch) -> Answers:
        with self.start.device.autocast():
            logps_BT, there_BT = answer_logps(self.start.model, batch)
        sums = answer_sums(logps_BT, there_BT, self.objective.ld_alpha)
        return Answers(sums, there_BT.sum(dim=1), -logps_BT.chunk(2)[0].sum(dim=1))

    def reference(self, rows: Rendered) -> torch.Tensor:
        """Log-probabilities of the answers under the model as it is now, [pairs, 2]."""
        return self._measured(rows).logps_2N.reshape(2, -1).T.contiguous()

    def validation(self, rows: Rendered, reference: torch.Tensor, *, size: int = 64) -> Numbers:
        """Loss, share of pairs told apart and mean margin on held-out pairs, all of them taken as one batch."""
        whole = Whole(0, len(rows), int(np.sum(rows.sides[0].labels)))
        loss, shown = self._loss(self._measured(rows, size), reference, whole)
        return {f"validation_{name}": number.item() for name, number in {"loss": loss, **shown}.items()}

    def _measured(self, pairs: Rendered, size: int = 64) -> Answers:
        """What the model makes of all pairs, in their order, on the CPU."""
        import torch

        found = Answers(*(torch.zeros(length * len(pairs)) for length in (2, 2, 1)))
        self.start.model.eval()
        with torch.no_grad():
            for indices in by_length(pairs.lengths, size):
                for batch in pair_parts(pairs, self.start, indices, 0, room=self._room):
                    assert batch.rows is not None
                    found.put(self._answers(batch), batch.rows)
        self.start.model.train()
        return found


@dataclass(frozen=True)
class Answers:
    """What a model makes of the answers of N pairs; chosen ones first."""

    logps_2N: torch.Tensor  # summed
    tokens_2N: torch.Tensor
    nll_N: torch.Tensor  # of the chosen ones

    def put(self, part: Answers, rows: Index) -> None:
        """Write those of some of the pairs to their places."""
        both = np.concatenate([rows, len(self.nll_N) + rows])
        self.logps_2N[both] = part.logps_2N.cpu()
        self.tokens_2N[both] = part.tokens_2N.cpu().to(self.tokens_2N.dtype)
        self.nll_N[rows] = part.nll_N.cpu()
