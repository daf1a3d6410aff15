"""Supervised fine-tuning: learn the assistant's turns of chats."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.chat import Tokens, render_all
from tunesmith.train.batches import IGNORED, Batch, Index, by_length, collate, feed_of, weights_of
from tunesmith.train.budget import Chosen, answer_budget, fingerprint_of, measurements, sft_rate, steps_of
from tunesmith.train.device import Device, count_parameters, pick_device
from tunesmith.train.folder import start_from, write_folder
from tunesmith.train.job import Computed, Job, Row, Rows, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.losses import sft_loss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


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
) -> Trained:
    """Supervised fine-tuning on chats: only the assistant's turns are learnt, the best weights by validation are kept.

    steps or epochs is the budget (computed without either). word_dropout is the share of answer tokens, prompt_dropout
    that of question tokens, hidden from the model's input in each step, against learning by heart. Rows longer than
    max_length tokens (default: what the model can hold) are left out and counted. patience stops after so many
    measurements (ten in a training) without a better validation loss. Raises UserError where nothing is left to learn.
    """
    device, chosen = pick_device(), Chosen(job.say)
    tokenizer, model = start_from(job, device)
    size, hidden = count_parameters(model), model.config.hidden_size
    scratch = isinstance(job.start, Scratch)
    limit = max_length or model.config.max_position_embeddings
    learnt, weights = rendered(job.train, tokenizer, limit, "train", job)
    held_out, _ = rendered(job.validation, tokenizer, limit, "validation", job)
    usual = Computed(4 if scratch else 3, "usual from random weights" if scratch else "usual for fine-tuning")
    budget = steps_of(steps, epochs, weights=weights, size=batch_size, usual=usual, chosen=chosen)
    settings = Settings(
        steps=budget,
        learning_rate=chosen.or_computed("learning_rate", learning_rate, sft_rate(size, hidden, scratch=scratch)),
        weight_decay=chosen.or_computed("weight_decay", weight_decay, _decay(scratch)),
        betas=(0.9, 0.98) if scratch else (0.9, 0.999),
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    drop = partial(_dropped, word=word_dropout, prompt=prompt_dropout, tokenizer=tokenizer, seed=job.seed)
    job.say(f"sft: {len(learnt):,} rows, {size:,} parameters, {budget:,} steps of {batch_size} on {device}")
    make = _maker(learnt, cast("int", tokenizer.pad_token_id), device)
    state = train(
        model,
        feed_of(make, lengths_of(learnt), size=batch_size, weights=weights, seed=job.seed),
        loss=lambda net, batch: _loss(net, drop(batch), device, label_smoothing),
        settings=settings,
        validate=_validator(model, held_out, cast("int", tokenizer.pad_token_id), device) if held_out else None,
        resume=job.resume,
        fingerprint=fingerprint_of([vars(settings), word_dropout, prompt_dropout, label_smoothing, batch_size], learnt),
        say=job.say,
        progress=job.progress,
    )
    write_folder(job.out, model, tokenizer, max_new_tokens=answer_budget(learnt), curve=state.curve)
    return Trained(state.step, state.step * batch_size / weights.sum(), state.curve, chosen.as_dict(), size)


def rendered(
    rows: Rows, tokenizer: PreTrainedTokenizerFast, limit: int, part: str, job: Job
) -> tuple[list[Tokens], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """The rows' tokens and weights, without those that are too long or have no answer; how many is said."""
    all_tokens = render_all(tokenizer, [chat_of(row) for row in rows]) if rows else []
    fit = [i for i, tokens in enumerate(all_tokens) if len(tokens.ids) <= limit and any(tokens.mask[1:])]
    if len(fit) < len(rows):
        long = sum(1 for tokens in all_tokens if len(tokens.ids) > limit)
        empty = len(rows) - len(fit) - long
        job.say(f"{part}: {long:,} rows longer than {limit} tokens and {empty:,} without an answer are left out")
    if part == "train" and not fit:
        raise UserError(
            "No training row has an answer to learn within the length limit.", f"The limit is {limit} tokens."
        )
    return [all_tokens[i] for i in fit], weights_of([rows[i] for i in fit])


def chat_of(row: Row, answer: str | None = None) -> Chat:
    """The messages of a row, with those of an answer column behind them."""
    messages = cast("list[Mapping[str, str]]", row["messages"])
    return messages if answer is None else [*messages, *cast("list[Mapping[str, str]]", row[answer])]


def lengths_of(rows: list[Tokens]) -> Index:
    """Tokens of each row."""
    return np.array([len(row.ids) for row in rows], dtype=np.int64)


def _decay(scratch: bool) -> Computed:
    return Computed(0.1, "from random weights") if scratch else Computed(0.01, "fine-tuning")


def _maker(rows: list[Tokens], pad: int, device: Device) -> partial[Batch]:
    def make(indices: Index, step: int) -> Batch:
        return collate([rows[i] for i in indices], pad=pad, device=device.name, step=step)

    return partial(make)


def _loss(
    model: PreTrainedModel, batch: Batch, device: Device, label_smoothing: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    with device.autocast():
        return sft_loss(model, batch, label_smoothing=label_smoothing), {}


def _dropped(batch: Batch, *, word: float, prompt: float, tokenizer: PreTrainedTokenizerFast, seed: int) -> Batch:
    """The batch with a share of its input tokens replaced by padding; labels and special tokens stay."""
    if not (word or prompt):
        return batch
    import torch

    random = torch.Generator().manual_seed(seed * 1_000_003 + batch.step)
    draw = torch.rand(batch.ids_BT.shape, generator=random).to(batch.ids_BT.device)
    special = torch.tensor(tokenizer.all_special_ids, device=batch.ids_BT.device)
    share = torch.where(batch.labels_BT != IGNORED, word, prompt)
    hidden = (draw < share) & ~torch.isin(batch.ids_BT, special)
    ids = batch.ids_BT.masked_fill(hidden, cast("int", tokenizer.pad_token_id))
    return Batch(ids, batch.attention_BT, batch.labels_BT, batch.step)


def _validator(model: PreTrainedModel, rows: list[Tokens], pad: int, device: Device) -> partial[Numbers]:
    return partial(validation_loss, model, rows, pad=pad, device=device)


def validation_loss(model: PreTrainedModel, rows: list[Tokens], *, pad: int, device: Device) -> Numbers:
    """Mean negative log-likelihood of all answer tokens of the rows, each token counted once."""
    import torch

    total, tokens = 0.0, 0
    model.eval()
    with torch.no_grad(), device.autocast():
        for indices in by_length(lengths_of(rows), 128):
            batch = collate([rows[i] for i in indices], pad=pad, device=device.name)
            count = int((batch.labels_BT[:, 1:] != IGNORED).sum())
            total, tokens = total + sft_loss(model, batch).item() * count, tokens + count
    model.train()
    return {"validation_loss": total / tokens}
