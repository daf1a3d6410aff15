"""Supervised fine-tuning: learn the assistant's turns of chats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.costs.memory import Precision
from tunesmith.models.chat import Tokens, render_all
from tunesmith.models.conversation import conversation_of
from tunesmith.train.active import adapter_facts
from tunesmith.train.batches import IGNORED, Batch, Index, Whole, by_length, collate, feed_of, pack, parts_of
from tunesmith.train.budget import answer_budget, fingerprint_of, measurements, sft_rate, steps_of, usual_batch
from tunesmith.train.corpus import Rendered, render_rows
from tunesmith.train.device import Device
from tunesmith.train.devices import here
from tunesmith.train.folder import write_folder
from tunesmith.train.job import Computed, Job, Row, Rows, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, State, train
from tunesmith.train.losses import sft_loss
from tunesmith.train.plan import Attention, Layout, Wishes, planned
from tunesmith.train.start import Start, start_from
from tunesmith.train.watching import Asked, Held, watcher_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LEARNS = "chats"


def sft(
    job: Job,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    word_dropout: float = 0.0,
    prompt_dropout: float = 0.0,
    label_smoothing: float = 0.0,
    max_length: int | None = None,
    layout: Layout | None = None,
    precision: Precision | None = None,
    attention: Attention | None = None,
    checkpointing: bool | None = None,
    compile: bool | None = None,
    patience: int | None = 3,
    repetition_penalty: float | None = None,
    watch: bool = False,
) -> Trained:
    """Supervised fine-tuning on chats: only the assistant's turns are learnt, the best weights by validation are kept.

    steps or epochs is the budget (computed without either); so are batch_size (rows a step) and learning_rate.
    word_dropout is the share of answer tokens, prompt_dropout that of question tokens, hidden from the model's input in
    each step, against learning by heart. Rows longer than max_length tokens (default: what the model can hold) are left
    out and counted.

    Five settings change speed and memory, and of the result only rounding; each is computed from model, rows and device
    where it is left out (docs/speed.md). layout is how a batch lies in memory: rows of like length padded (buckets), or
    end to end without padding (packed). precision is float32, mixed (products in bfloat16) or bfloat16 (weights as
    well). attention is the kernel. checkpointing computes activations again instead of keeping them. compile compiles
    the layers.

    patience stops after so many measurements (ten in a training) without a better validation loss. repetition_penalty
    (CTRL, arXiv 1909.05858; 1 is none) goes into the decoding settings, which every engine reads. With watch,
    meaning and length of greedy answers to up to 64 held-out prompts stand in the curve; they decide nothing here.
    Raises UserError where nothing is left to learn.
    """
    start = start_from(job, precision=precision)
    limit = min(max_length or start.room, start.room)
    learnt = rendered(job, job.train, start, limit, "train")
    held_out = rendered(job, job.validation, start, limit, "validation")
    scratch = isinstance(job.start, Scratch)
    size = int(start.chosen.or_computed("batch_size", batch_size, usual_batch(len(learnt), scratch=scratch)))
    usual = Computed(4, "usual from random weights") if scratch else Computed(3, "usual for fine-tuning")
    budget = steps_of(steps, epochs, weights=learnt.weights, size=size, usual=usual, chosen=start.chosen)
    usual_rate = sft_rate(start.parameters, start.width, scratch=scratch, adapter=start.adapted)
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, usual_rate),
        weight_decay=start.chosen.or_computed("weight_decay", weight_decay, _decay(scratch)),
        betas=(0.9, 0.98) if scratch else (0.9, 0.999),
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    start = planned(
        start, learnt.lengths, batch=size, steps=budget, wishes=Wishes(layout, attention, checkpointing, compile)
    )
    hide = partial(hidden_words, start, word=word_dropout, prompt=prompt_dropout, seed=job.seed)
    watcher = watcher_of(job, start, job.validation, held_out.kept, _asked) if watch else None
    job.say(f"sft: {len(learnt):,} rows, {start.account}, {budget:,} steps of {size}")
    state = train(
        start.model,
        feed_of(partial(_parts, learnt, start), learnt.lengths, size=size, weights=learnt.weights, seed=job.seed),
        loss=lambda model, batch: (_loss(model, hide(batch), start.device, label_smoothing), {}),
        settings=settings,
        validate=Held(partial(validation_loss, held_out, start), watcher) if len(held_out) else None,
        resume=job.resume,
        fingerprint=fingerprint_of(
            [
                vars(settings),
                word_dropout,
                prompt_dropout,
                label_smoothing,
                size,
                start.computing,
                job.adapter,
                watch,
            ],
            learnt,
        ),
        say=job.say,
        progress=job.progress,
        meter=start.meter(learnt),
    )
    longest = answer_budget(learnt.sides[0].longest_answer)
    write_folder(job.out, start, max_new_tokens=longest, curve=state.curve, repetition_penalty=repetition_penalty)
    return trained(state, size, learnt, start)


def trained(state: State, batch_size: int, learnt: Rendered, start: Start, warnings: tuple[str, ...] = ()) -> Trained:
    """The account of a finished training; its warnings are said."""
    for warning in warnings:
        start.chosen.say(f"warning: {warning}")
    epochs = state.step * batch_size / float(learnt.weights.sum())
    return Trained(
        state.step,
        epochs,
        state.curve,
        start.chosen.as_dict(),
        start.parameters,
        start.trained,
        warnings,
        adapter_facts(start, learnt, moved=state.best_step > 0 or state.best_weights is None),
    )


def rendered(job: Job, rows: Rows, start: Start, limit: int, part: str) -> Rendered:
    """The rows' tokens and weights (of a pair the chosen answer's), without those too long or without a good answer."""

    def render(some: Sequence[Row]) -> list[Tokens]:
        chats = [conversation_of(row, "chosen" if row.get("chosen") else None) for row in some]
        made = zip(some, render_all(start.tokenizer, chats), strict=True)
        return [
            replace(row, mask=[0] * len(row.ids)) if given.get("desirable") is False else row for given, row in made
        ]

    found = render_rows(rows, [render], limit=limit, folder=tokens_folder(job, part))
    if found.too_long or found.empty:
        long, empty = found.too_long, found.empty
        job.say(f"{part}: {long:,} rows longer than {limit} tokens and {empty:,} without a good answer are left out")
    if part == "train" and not len(found):
        raise UserError("No training row has an answer within the length limit.", f"The limit is {limit} tokens.")
    return found


def tokens_folder(job: Job, part: str) -> Path:
    """Where the rendered rows of a part lie while a training lasts."""
    rank = here().rank  # each process renders the rows for itself
    return job.resume / (f"tokens-{rank}" if rank else "tokens") / part


def _asked(row: Row) -> Asked | None:
    """What is asked of the model while it learns, and what is expected; None where that is no text."""
    *prompt, answer = conversation_of(row, "chosen" if row.get("chosen") else None)  # a kept row has turns
    return (prompt, answer["content"]) if prompt and answer["role"] == "assistant" and answer["content"] else None


def _decay(scratch: bool) -> Computed:
    return Computed(0.1, "from random weights") if scratch else Computed(0.01, "fine-tuning")


def _parts(rows: Rendered, start: Start, indices: Index, step: int) -> Iterator[Batch]:
    """The parts of a step's batch."""
    side = rows.sides[0]
    whole = Whole(step, len(indices), int(side.labels[indices].sum()))
    packed = start.layout == "packed"
    lay = partial(pack, bounds=start.bounds) if packed else collate
    for number, part in enumerate(
        parts_of(indices, side.lengths, start.part_tokens, world=here().world, packed=packed)
    ):
        yield lay(side.rows(part), pad=start.pad, device=start.device.name, whole=replace(whole, part=number))


def _loss(model: PreTrainedModel, batch: Batch, device: Device, label_smoothing: float) -> torch.Tensor:
    with device.autocast():
        return sft_loss(model, batch, label_smoothing=label_smoothing)


def hidden_words(start: Start, batch: Batch, *, word: float, prompt: float, seed: int) -> Batch:
    """The batch with a share of its input tokens replaced by padding; labels and special tokens stay."""
    if not (word or prompt) or batch.whole is None:
        return batch
    import torch

    # torch takes the lower 32 bits of a seed: parts are told apart within them
    random = torch.Generator().manual_seed(seed * 1_000_003 + batch.whole.step + 500_009 * batch.whole.part)
    draw = torch.rand(batch.ids_BT.shape, generator=random).to(batch.ids_BT.device)
    special = torch.tensor(start.tokenizer.all_special_ids, device=batch.ids_BT.device)
    share = torch.where(batch.labels_BT != IGNORED, word, prompt)
    hidden = (draw < share) & ~torch.isin(batch.ids_BT, special)
    return replace(batch, ids_BT=batch.ids_BT.masked_fill(hidden, start.pad))


def validation_loss(rows: Rendered, start: Start) -> Numbers:
    """Mean negative log-likelihood of all answer tokens of the rows, each token counted once."""
    import torch

    side = rows.sides[0]
    total = 0.0
    start.model.eval()
    with torch.no_grad(), start.device.autocast():
        for indices in by_length(side.lengths, 128):
            for part in parts_of(indices, side.lengths, start.part_tokens):
                batch = collate(side.rows(part), pad=start.pad, device=start.device.name)
                total += sft_loss(start.model, batch).item() * int(side.labels[part].sum())
    start.model.train()
    return {"validation_loss": total / int(np.sum(side.labels))}
