"""Direct preference optimisation, held to the chosen answers by an anchor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.chat import Tokens, render_all
from tunesmith.train.batches import Index, Weights, by_length, collate, feed_of, weights_of
from tunesmith.train.budget import answer_budget, dpo_rate, fingerprint_of, measurements, steps_of
from tunesmith.train.folder import Start, start_from, write_folder
from tunesmith.train.job import Computed, Job, Rows, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.losses import answer_logps, dpo_loss
from tunesmith.train.resume import load_state, save_state
from tunesmith.train.sft import chat_of, lengths_of, trained

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pairs:
    """Rendered pairs, and how often each is drawn."""

    chosen: list[Tokens]
    rejected: list[Tokens]
    weights: Weights

    def batch_rows(self, indices: Index) -> list[Tokens]:
        """The chosen rows, then the rejected ones."""
        return [self.chosen[i] for i in indices] + [self.rejected[i] for i in indices]

    @property
    def lengths(self) -> Index:
        """Tokens of the longer of each pair."""
        return np.maximum(lengths_of(self.chosen), lengths_of(self.rejected))


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
    patience: int | None = None,
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
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, dpo_rate(start.parameters)),
        weight_decay=weight_decay,
        warmup=0.1,
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    job.say(f"dpo: {len(learnt.chosen):,} pairs, {start.account}, {budget:,} steps of {batch_size}")
    loss_of = PairLoss(start, beta, anchor)
    print_of = fingerprint_of([vars(settings), beta, anchor, batch_size], learnt.chosen + learnt.rejected)
    reference, held_reference = _references(loss_of, [learnt, held_out], job.resume / "reference", print_of)
    state = train(
        start.model,
        feed_of(lambda indices, _: indices, learnt.lengths, size=batch_size, weights=learnt.weights, seed=job.seed),
        loss=lambda _, indices: loss_of(learnt, reference, indices),
        settings=settings,
        validate=partial(loss_of.validation, held_out, held_reference) if held_out.chosen else None,
        resume=job.resume,
        fingerprint=print_of,
        say=job.say,
        progress=job.progress,
    )
    write_folder(job.out, start, max_new_tokens=answer_budget(learnt.chosen), curve=state.curve)
    return trained(state, batch_size, learnt.weights, start)


def _rendered(job: Job, rows: Rows, start: Start, limit: int, part: str) -> Pairs:
    prompts = [len(prompt.ids) for prompt in render_all(start.tokenizer, map(chat_of, rows), answer=False)]
    sides = [_side(rows, side, start, prompts) for side in ("chosen", "rejected")]
    fit = [
        i
        for i, pair in enumerate(zip(*sides, strict=True))
        if all(len(side.ids) <= limit and any(side.mask[1:]) for side in pair)
    ]
    if len(fit) < len(rows):
        job.say(f"{part}: {len(rows) - len(fit):,} pairs longer than {limit} tokens or without an answer are left out")
    if part == "train" and not fit:
        raise UserError("No pair has two answers within the length limit.", f"The limit is {limit} tokens.")
    chosen, rejected = ([side[i] for i in fit] for side in sides)
    return Pairs(chosen, rejected, weights_of([rows[i] for i in fit]))


def _side(rows: Rows, side: str, start: Start, prompts: list[int]) -> list[Tokens]:
    whole = render_all(start.tokenizer, [chat_of(row, side) for row in rows])
    return [_last_turn_only(tokens, prompt) for tokens, prompt in zip(whole, prompts, strict=True)]


def _last_turn_only(tokens: Tokens, prompt: int) -> Tokens:
    """The mask without assistant turns of the prompt: only the answers are compared."""
    return Tokens(tokens.ids, [0] * prompt + tokens.mask[prompt:])


@dataclass(frozen=True)
class PairLoss:
    """The preference loss of a model over pairs."""

    start: Start
    beta: float
    anchor: float

    def logps(self, pairs: Pairs, indices: Index) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and token counts, the chosen answers first."""
        batch = collate(pairs.batch_rows(indices), pad=self.start.pad, device=self.start.device.name)
        with self.start.device.autocast():
            return answer_logps(self.start.model, batch)

    def __call__(
        self, pairs: Pairs, reference_N2: torch.Tensor, indices: Index
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of some pairs, and what to show of it."""
        logps, tokens = self.logps(pairs, indices)
        reference = reference_N2[indices].T.reshape(-1).to(logps.device)
        return dpo_loss(logps, reference, tokens, beta=self.beta, anchor=self.anchor)

    def reference(self, pairs: Pairs) -> torch.Tensor:
        """Log-probabilities of the model as it is now, [pairs, 2]."""
        import torch

        found = torch.zeros(len(pairs.chosen), 2)
        self.start.model.eval()
        with torch.no_grad():
            for indices in by_length(pairs.lengths, 64):
                found[indices] = self.logps(pairs, indices)[0].reshape(2, -1).T.cpu()
        self.start.model.train()
        return found

    def validation(self, pairs: Pairs, reference_N2: torch.Tensor) -> Numbers:
        """Loss, share of pairs told apart and mean margin on held-out pairs, each pair counted once."""
        import torch

        sums: Numbers = {}
        self.start.model.eval()
        with torch.no_grad():
            for indices in by_length(pairs.lengths, 64):
                loss, shown = self(pairs, reference_N2, indices)
                for name, number in {"loss": loss, **shown}.items():
                    sums[name] = sums.get(name, 0.0) + number.item() * len(indices)
        self.start.model.train()
        return {f"validation_{name}": total / len(pairs.chosen) for name, total in sums.items()}


def _references(loss: PairLoss, parts: list[Pairs], folder: Path, fingerprint: str) -> list[torch.Tensor]:
    kept = load_state(folder, fingerprint=fingerprint)
    if kept is None:
        kept = {"fingerprint": fingerprint, "parts": [loss.reference(pairs) for pairs in parts]}
        save_state(folder, kept, 0)
    return cast("list[torch.Tensor]", kept["parts"])
