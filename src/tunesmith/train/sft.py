"""Supervised fine-tuning: learn the assistant's turns of chats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.chat import Tokens, render_all
from tunesmith.train.batches import IGNORED, Batch, Index, Weights, by_length, collate, feed_of, weights_of
from tunesmith.train.budget import answer_budget, fingerprint_of, measurements, sft_rate, steps_of
from tunesmith.train.device import Device
from tunesmith.train.folder import Start, start_from, write_folder
from tunesmith.train.job import Computed, Job, Row, Rows, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, State, train
from tunesmith.train.losses import sft_loss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def sft(
    job: Job,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 64,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    word_dropout: float = 0.0,
    prompt_dropout: float = 0.0,
    label_smoothing: float = 0.0,
    max_length: int | None = None,
    patience: int | None = None,
    repetition_penalty: float | None = None,
) -> Trained:
    """Supervised fine-tuning on chats: only the assistant's turns are learnt, the best weights by validation are kept.

    steps or epochs is the budget (computed without either). word_dropout is the share of answer tokens, prompt_dropout
    that of question tokens, hidden from the model's input in each step, against learning by heart. Rows longer than
    max_length tokens (default: what the model can hold) are left out and counted. patience stops after so many
    measurements (ten in a training) without a better validation loss. repetition_penalty (CTRL, arXiv 1909.05858; 1 is
    none) goes into the decoding settings, which every engine reads. Raises UserError where nothing is left to learn.
    """
    start = start_from(job)
    limit = min(max_length or start.room, start.room)
    learnt, weights = rendered(job, job.train, start, limit, "train")
    held_out, _ = rendered(job, job.validation, start, limit, "validation")
    scratch = isinstance(job.start, Scratch)
    usual = Computed(4, "usual from random weights") if scratch else Computed(3, "usual for fine-tuning")
    budget = steps_of(steps, epochs, weights=weights, size=batch_size, usual=usual, chosen=start.chosen)
    usual_rate = sft_rate(start.parameters, start.model.config.hidden_size, scratch=scratch)
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, usual_rate),
        weight_decay=start.chosen.or_computed("weight_decay", weight_decay, _decay(scratch)),
        betas=(0.9, 0.98) if scratch else (0.9, 0.999),
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    hide = partial(_hidden, start, word=word_dropout, prompt=prompt_dropout, seed=job.seed)
    make = partial(_batch, learnt, start)
    job.say(f"sft: {len(learnt):,} rows, {start.account}, {budget:,} steps of {batch_size}")
    state = train(
        start.model,
        feed_of(make, lengths_of(learnt), size=batch_size, weights=weights, seed=job.seed),
        loss=lambda model, batch: (_loss(model, hide(batch), start.device, label_smoothing), {}),
        settings=settings,
        validate=partial(validation_loss, held_out, start) if held_out else None,
        resume=job.resume,
        fingerprint=fingerprint_of([vars(settings), word_dropout, prompt_dropout, label_smoothing, batch_size], learnt),
        say=job.say,
        progress=job.progress,
    )
    longest = answer_budget(learnt)
    write_folder(job.out, start, max_new_tokens=longest, curve=state.curve, repetition_penalty=repetition_penalty)
    return trained(state, batch_size, weights, start)


def trained(state: State, batch_size: int, weights: Weights, start: Start) -> Trained:
    """The account of a finished training."""
    epochs = state.step * batch_size / float(weights.sum())
    return Trained(state.step, epochs, state.curve, start.chosen.as_dict(), start.parameters)


def rendered(job: Job, rows: Rows, start: Start, limit: int, part: str) -> tuple[list[Tokens], Weights]:
    """The rows' tokens and weights (of a pair the chosen answer's), without those too long or without an answer."""
    tokens = render_all(start.tokenizer, [chat_of(row, "chosen" if row.get("chosen") else None) for row in rows])
    fit = [i for i, row in enumerate(tokens) if len(row.ids) <= limit and any(row.mask[1:])]
    if len(fit) < len(rows):
        long = sum(1 for row in tokens if len(row.ids) > limit)
        empty = len(rows) - len(fit) - long
        job.say(f"{part}: {long:,} rows longer than {limit} tokens and {empty:,} without an answer are left out")
    if part == "train" and not fit:
        raise UserError("No training row has an answer within the length limit.", f"The limit is {limit} tokens.")
    return [tokens[i] for i in fit], weights_of([rows[i] for i in fit])


def chat_of(row: Row, answer: str | None = None) -> Chat:
    """The messages of a row, with those of an answer column behind them."""
    messages = cast("list[Mapping[str, str]]", row["messages"])
    return messages if answer is None else [*messages, *cast("list[Mapping[str, str]]", row[answer])]


def lengths_of(rows: list[Tokens]) -> Index:
    """Tokens of each row."""
    return np.array([len(row.ids) for row in rows], dtype=np.int64)


def _decay(scratch: bool) -> Computed:
    return Computed(0.1, "from random weights") if scratch else Computed(0.01, "fine-tuning")


def _batch(rows: list[Tokens], start: Start, indices: Index, step: int) -> Batch:
    return collate([rows[i] for i in indices], pad=start.pad, device=start.device.name, step=step)


def _loss(model: PreTrainedModel, batch: Batch, device: Device, label_smoothing: float) -> torch.Tensor:
    with device.autocast():
        return sft_loss(model, batch, label_smoothing=label_smoothing)


def _hidden(start: Start, batch: Batch, *, word: float, prompt: float, seed: int) -> Batch:
    """The batch with a share of its input tokens replaced by padding; labels and special tokens stay."""
    if not (word or prompt):
        return batch
    import torch

    random = torch.Generator().manual_seed(seed * 1_000_003 + batch.step)
    draw = torch.rand(batch.ids_BT.shape, generator=random).to(batch.ids_BT.device)
    special = torch.tensor(start.tokenizer.all_special_ids, device=batch.ids_BT.device)
    share = torch.where(batch.labels_BT != IGNORED, word, prompt)
    hidden = (draw < share) & ~torch.isin(batch.ids_BT, special)
    return replace(batch, ids_BT=batch.ids_BT.masked_fill(hidden, start.pad))


def validation_loss(rows: list[Tokens], start: Start) -> Numbers:
    """Mean negative log-likelihood of all answer tokens of the rows, each token counted once."""
    import torch

    total, tokens = 0.0, 0
    start.model.eval()
    with torch.no_grad(), start.device.autocast():
        for indices in by_length(lengths_of(rows), 128):
            batch = _batch(rows, start, indices, 0)
            count = int((batch.labels_BT[:, 1:] != IGNORED).sum())
            total, tokens = total + sft_loss(start.model, batch).item() * count, tokens + count
    start.model.train()
    return {"validation_loss": total / tokens}
