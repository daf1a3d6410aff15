"""Direct preference optimisation, held to the chosen answers by an anchor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens, render_all
from tunesmith.train.batches import Batch, Index, Whole, by_length, collate, feed_of, parts_of
from tunesmith.train.budget import answer_budget, dpo_rate, fingerprint_of, measurements, steps_of
from tunesmith.train.corpus import Rendered, render_rows
from tunesmith.train.folder import Start, start_from, write_folder
from tunesmith.train.job import Computed, Job, Row, Rows, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.losses import answer_logps
from tunesmith.train.plan import Wishes, planned
from tunesmith.train.preferences import Scored, sigmoid
from tunesmith.train.resume import load_state, save_state
from tunesmith.train.sft import chat_of, tokens_folder, trained

if TYPE_CHECKING:
    import torch


def dpo(
    job: Job,
    *,
    beta: float = 0.3,
    anchor: float = 1.0,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 32,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    max_length: int | None = None,
    patience: int | None = 3,
) -> Trained:
    """Preference tuning on pairs of a chosen and a rejected answer, starting from a tuned checkpoint.

    beta is how closely the model is held to its start. anchor is the weight of the chosen answers' own negative
    log-likelihood: without it (anchor 0) small models learn to tell the answers apart and forget how to write them.
    The reference's log-probabilities are computed once, before the first step. Other parameters are as in sft.
    """
    if isinstance(job.start, Scratch):
        raise UserError("Preference tuning cannot start from random weights.", "Put an sft step before it.")
    start = start_from(job)
    limit = min(max_length or start.room, start.room)
    learnt = _rendered(job, job.train, start, limit, "train")
    held_out = _rendered(job, job.validation, start, limit, "validation")
    usual = Computed(1.2, "usual for preference tuning")
    budget = steps_of(steps, epochs, weights=learnt.weights, size=batch_size, usual=usual, chosen=start.chosen)
    start = planned(start, learnt, batch=2 * batch_size, steps=budget, wishes=Wishes(layout="buckets"))
    usual_rate = dpo_rate(start.parameters, adapter=start.adapted)
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, usual_rate),
        weight_decay=weight_decay,
        warmup=0.1,
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    job.say(f"dpo: {len(learnt):,} pairs, {start.account}, {budget:,} steps of {batch_size}")
    loss_of = PairLoss(start, beta, anchor)
    print_of = fingerprint_of([vars(settings), beta, anchor, batch_size, start.computing], learnt)
    reference, held_reference = _references(loss_of, [learnt, held_out], job.resume / "reference", print_of)
    state = train(
        start.model,
        feed_of(
            partial(pair_parts, learnt, start), learnt.lengths, size=batch_size, weights=learnt.weights, seed=job.seed
        ),
        loss=lambda _, batch: loss_of(batch, reference),
        settings=settings,
        validate=partial(loss_of.validation, held_out, held_reference) if len(held_out) else None,
        resume=job.resume,
        fingerprint=print_of,
        say=job.say,
        progress=job.progress,
        meter=start.meter(learnt),
    )
    longest = answer_budget(learnt.sides[0].longest_answer)
    write_folder(job.out, start, max_new_tokens=longest, curve=state.curve)
    return trained(state, batch_size, learnt, start)


def _rendered(job: Job, rows: Rows, start: Start, limit: int, part: str) -> Rendered:
    renders = [partial(_side, start, side) for side in ("chosen", "rejected")]
    found = render_rows(rows, renders, limit=limit, folder=tokens_folder(job, part))
    if left := found.too_long + found.empty:
        job.say(f"{part}: {left:,} pairs longer than {limit} tokens or without an answer are left out")
    if part == "train" and not len(found):
        raise UserError("No pair has two answers within the length limit.", f"The limit is {limit} tokens.")
    return found


def _side(start: Start, side: str, rows: Sequence[Row]) -> list[Tokens]:
    prompts = render_all(start.tokenizer, [chat_of(row) for row in rows], answer=False)
    whole = render_all(start.tokenizer, [chat_of(row, side) for row in rows])
    return [_last_turn_only(tokens, len(prompt.ids)) for tokens, prompt in zip(whole, prompts, strict=True)]


def _last_turn_only(tokens: Tokens, prompt: int) -> Tokens:
    """The mask without assistant turns of the prompt: only the answers are compared."""
    return Tokens(tokens.ids, [0] * prompt + tokens.mask[prompt:])


def pair_parts(pairs: Rendered, start: Start, indices: Index, step: int) -> Iterator[Batch]:
    """The parts of a step's batch, in each the chosen rows first and then the rejected ones."""
    chosen, rejected = pairs.sides
    whole = Whole(step, len(indices), int(chosen.labels[indices].sum()))
    for part in parts_of(indices, pairs.lengths, start.part_tokens and start.part_tokens // 2):
        rows = chosen.rows(part) + rejected.rows(part)
        yield replace(collate(rows, pad=start.pad, device=start.device.name, whole=whole), rows=part)


@dataclass(frozen=True)
class PairLoss:
    """The preference loss of a model over pairs."""

    start: Start
    beta: float
    anchor: float

    def __call__(self, batch: Batch, reference_N2: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A part's share of the loss, and of what to show of it."""
        assert batch.whole is not None
        logps, there = self._logps(batch)
        scored = Scored(logps, there, reference_N2[batch.rows].T.reshape(-1).to(logps.device))
        nll = scored.chosen_nll / batch.whole.tokens
        chosen, rejected = scored.ratios
        margins = self.beta * (chosen - rejected).detach()
        shown = {"accuracy": (margins > 0).float().sum() / batch.whole.rows, "margin": margins.sum() / batch.whole.rows}
        preference = sigmoid(scored, beta=self.beta).sum() / batch.whole.rows
        return preference + self.anchor * nll, {**shown, "chosen_nll": nll.detach()}

    def _logps(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        with self.start.device.autocast():
            return answer_logps(self.start.model, batch)

    def reference(self, pairs: Rendered) -> torch.Tensor:
        """Log-probabilities of the answers under the model as it is now, [pairs, 2]."""
        import torch

        found = torch.zeros(len(pairs), 2)
        self.start.model.eval()
        with torch.no_grad():
            for batch in self._measured(pairs):
                found[batch.rows] = self._logps(batch)[0].sum(dim=1).reshape(2, -1).T.cpu()
        self.start.model.train()
        return found

    def validation(self, pairs: Rendered, reference_N2: torch.Tensor) -> Numbers:
        """Loss, share of pairs told apart and mean margin on held-out pairs; each pair, and each token, counts once."""
        import torch

        sums: Numbers = {}
        whole = Whole(0, len(pairs), int(np.sum(pairs.sides[0].labels)))
        self.start.model.eval()
        with torch.no_grad():
            for batch in self._measured(pairs):
                loss, shown = self(replace(batch, whole=whole), reference_N2)
                for name, number in {"loss": loss, **shown}.items():
                    sums[name] = sums.get(name, 0.0) + number.item()
        self.start.model.train()
        return {f"validation_{name}": total for name, total in sums.items()}

    def _measured(self, pairs: Rendered) -> Iterator[Batch]:
        for indices in by_length(pairs.lengths, 64):
            yield from pair_parts(pairs, self.start, indices, 0)


def _references(loss: PairLoss, parts: list[Rendered], folder: Path, fingerprint: str) -> list[torch.Tensor]:
    kept = load_state(folder, fingerprint=fingerprint)
    if kept is None:
        kept = {"fingerprint": fingerprint, "parts": [loss.reference(pairs) for pairs in parts]}
        save_state(folder, kept, 0)
    return cast("list[torch.Tensor]", kept["parts"])
