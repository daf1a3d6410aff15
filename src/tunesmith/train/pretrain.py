"""Pre-training: next-token prediction on documents, from random weights or further from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.costs.memory import Precision
from tunesmith.models.adapter_folder import fingerprint
from tunesmith.train.active import facts_of_rows
from tunesmith.train.batches import Line
from tunesmith.train.budget import Chosen, fingerprint_of, measurements, pretrain_rate, readable
from tunesmith.train.devices import here
from tunesmith.train.documents import Documents, write_documents
from tunesmith.train.folder import write_folder
from tunesmith.train.job import Computed, Job, Rows, Scratch, Trained
from tunesmith.train.language import HeldOut, measure
from tunesmith.train.loop import Numbers, Settings, State, train
from tunesmith.train.losses import window_loss
from tunesmith.train.plan import Attention, Wishes, planned
from tunesmith.train.sft import tokens_folder
from tunesmith.train.start import Start, start_from
from tunesmith.train.windows import Mixture, Stream, Windows, feed_of_windows

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LEARNS = "texts"
CHANGES_VALIDATION = ("length",)
CPU_LENGTH, GPU_LENGTH = 256, 4096
BATCH_TOKENS = 4096  # a step; measured at 1 to 4 million parameters
BATCH_PARAMETERS = 10_000_000  # above, more: 0.1 million tokens at a billion, as published trainings have, not measured
REPEATS = 4  # epochs that are worth almost as much as new text (Muennighoff et al. 2023, arXiv 2305.16264)
FEW = 5  # tokens a parameter; about 20 are the best use of a budget of work (Hoffmann et al. 2022, arXiv 2203.15556)
ROWS, ROW = 8, 256  # documents, and tokens of each, that tell whether an adapter does anything
ANSWER = 128  # tokens that a model may write when it is asked later


def pretrain(
    job: Job,
    *,
    tokens: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    length: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float = 0.1,
    domains: Mapping[str, float] | None = None,
    apart: bool = False,
    precision: Precision | None = None,
    attention: Attention | None = None,
    checkpointing: bool | None = None,
    compile: bool | None = None,
    patience: int | None = 3,
) -> Trained:
    """Next-token prediction on documents, packed end to end into windows without padding.

    tokens, steps or epochs is the budget (one epoch without any; four from random weights: up to four, repeated text is
    worth almost as much as new, Muennighoff et al. 2023, arXiv 2305.16264). batch_size is windows a step, length the
    tokens of a window. domains maps domains to the share of tokens drawn from each, such as {web: 0.5, code: 0.15}, all
    of them adding up to 1; without it text is drawn as often as its weight says. With apart, attention stays within
    documents. Validation tells nats a token and bits a byte (which no tokenizer changes), of each domain too. Other
    parameters are as in sft. Raises UserError where nothing is left to learn.
    """
    start = start_from(job, precision=precision, chats=False)
    learnt, held_out = (
        documents_of(job, job.train, start, "train"),
        documents_of(job, job.validation, start, "validation"),
    )
    length = int(start.chosen.or_computed("length", length, usual_length(start)))
    if not 1 < length <= start.room:
        raise UserError(
            f"Windows of {length:,} tokens: the model holds {start.room:,}.", "Change length, or init.length."
        )
    mixture = mixture_of(learnt, domains, length=length, seed=job.seed)
    size = int(start.chosen.or_computed("batch_size", batch_size, usual_windows(length, start.parameters)))
    scratch = isinstance(job.start, Scratch)
    budget = steps_of_text(start.chosen, tokens, steps, epochs, drawn=learnt.drawn, step=size * length, scratch=scratch)
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed(
            "learning_rate",
            learning_rate,
            pretrain_rate(start.parameters, start.width, scratch=scratch, adapter=start.adapted),
        ),
        weight_decay=weight_decay,
        betas=(0.9, 0.95),
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    start = planned(
        start,
        np.full(1, length),
        batch=size,
        steps=budget,
        wishes=Wishes("buckets", attention, checkpointing, compile),
    )
    job.say(
        f"pretrain: {learnt.tokens:,} tokens of {len(learnt):,} documents, {start.account}, "
        f"{budget:,} steps of {size} x {length} tokens"
    )
    state = learn(
        *(job, start, mixture, settings),
        size=size,
        apart=apart,
        validate=measure(HeldOut(held_out, length), {}, start) if len(held_out) else None,
        fingerprint=fingerprint_of([domains], learnt),
    )
    write_folder(job.out, start, max_new_tokens=ANSWER, curve=state.curve)
    facts = {"tokens": state.step * size * length, "unique_tokens": learnt.tokens}
    warnings = _warnings(state.step * size * length, mixture, state.step, size, start, scratch)
    for warning in warnings:
        start.chosen.say(f"warning: {warning}")
    return Trained(
        state.step,
        max(mixture.epochs(state.step, size)),
        state.curve,
        start.chosen.as_dict(),
        start.parameters,
        start.trained,
        warnings,
        adapter_facts_of_text(start, learnt, moved=True),
        facts,
    )


def learn(
    job: Job,
    start: Start,
    mixture: Mixture,
    settings: Settings,
    *,
    size: int,
    apart: bool,
    validate: Callable[[], Numbers] | None,
    fingerprint: str,
    begin: Numbers | None = None,
) -> State:
    """Run the loop on windows of the mixture; `begin` are the numbers of `validate` before the first step."""
    length = mixture.streams[0].length
    rows = None if start.part_tokens is None else max(1, start.part_tokens // length)
    shares = [list(mixture.shares), length, size, apart, start.computing, job.adapter, fingerprint]

    def loss(model: PreTrainedModel, windows: Windows) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        with start.device.autocast():
            return window_loss(model, windows), {}

    return train(
        start.model,
        feed_of_windows(mixture, size=size, rows=rows, device=start.device.name, apart=apart, world=here().world),
        loss=loss,
        settings=settings,
        validate=validate,
        resume=job.resume,
        fingerprint=fingerprint_of([vars(settings), shares]),
        say=job.say,
        progress=job.progress,
        meter=start.meter_of(length),
        begin=begin,
    )


def _warnings(tokens: int, mixture: Mixture, steps: int, size: int, start: Start, scratch: bool) -> tuple[str, ...]:
    """What is doubtful about the budget."""
    found = []
    if (most := max(mixture.epochs(steps, size))) > REPEATS + 0.5:
        found.append(
            f"pretrain: text was repeated {most:.1f} times; beyond {REPEATS} epochs repeating is worth less and less "
            "(Muennighoff et al. 2023): more text, or fewer steps"
        )
    if scratch and tokens < FEW * start.parameters:
        found.append(
            f"pretrain: {tokens / start.parameters:.1f} tokens a parameter; about 20 are the best use of a budget "
            "(Hoffmann et al. 2022): a smaller model would learn more from the same work"
        )
    return tuple(found)


def documents_of(job: Job, rows: Rows, start: Start, part: str) -> Documents:
    """The documents of a part, as tokens on disk."""
    found = write_documents(rows, start.tokenizer, tokens_folder(job, part))
    if found.empty:
        job.say(f"{part}: {found.empty:,} rows without text are left out")
    if part == "train" and not len(found):
        raise UserError("No training row has text.", "Documents have text; a list of chats has messages.")
    return found


def usual_length(start: Start) -> Computed:
    """Tokens of a window: what the model holds, at most 256 on a processor and 4,096 on a GPU."""
    most = CPU_LENGTH if start.device.name == "cpu" else GPU_LENGTH
    return Computed(min(start.room, most), f"at most {most:,} here, and the model holds {start.room:,}")


def usual_windows(length: int, parameters: int = 0) -> Computed:
    """Windows of this length in a step: more tokens for larger models."""
    tokens = BATCH_TOKENS * max(1.0, parameters / BATCH_PARAMETERS) ** 0.7
    why = f"about {tokens:,.0f} tokens a step" + (f", from {readable(parameters)} parameters" if parameters else "")
    return Computed(max(4, round(tokens / length)), why)


def steps_of_text(
    chosen: Chosen,
    tokens: float | None,
    steps: int | None,
    epochs: float | None,
    *,
    drawn: float,
    step: int,
    scratch: bool,
) -> int:
    """The step budget: as given in tokens, steps or epochs (of `drawn` tokens each), or the usual epochs."""
    given = {
        name: value for name, value in (("tokens", tokens), ("steps", steps), ("epochs", epochs)) if value is not None
    }
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} are given.", "Give one of them.")
    if steps is not None:
        if steps < 1:
            raise UserError(f"{steps} training steps is too few.", "Give at least 1 step.")
        return steps
    usual = 4.0 if scratch else 1.0
    wanted = tokens if tokens is not None else drawn * (epochs if epochs is not None else usual)
    why = f"{wanted:,.0f} tokens at {step:,} a step" + ("" if given else f", {usual:g} epochs")
    return int(chosen.or_computed("steps", None, Computed(max(1, round(wanted / step)), why)))


def mixture_of(learnt: Documents, domains: Mapping[str, float] | None, *, length: int, seed: int) -> Mixture:
    """One stream of all text, or one for each domain with its share."""
    if domains is None:
        return Mixture([Stream(learnt, length=length, seed=seed)], [1.0])
    unknown = sorted(set(domains) - set(learnt.names))
    if unknown or abs(sum(domains.values()) - 1) > 0.01 or min(domains.values()) < 0:
        problem = f"no document is of the domain {unknown[0]!r}" if unknown else "the shares do not add up to 1"
        raise UserError(f"domains: {problem}.", f"There are {', '.join(learnt.names)}.")
    parts = [(learnt.only(name), share) for name, share in domains.items() if share]
    return Mixture(
        [Stream(part, length=length, seed=seed + place) for place, (part, _) in enumerate(parts)],
        [share / sum(domains.values()) for _, share in parts],
    )


def adapter_facts_of_text(start: Start, learnt: Documents, *, moved: bool) -> dict[str, object] | None:
    """What the manifest keeps of an adapter; one that stayed as it began, as nothing better was found, is not told."""
    if start.adapted is None or start.base is None or not here().is_main:
        return None
    if not moved:
        return {"kind": start.adapted, "moved": 0.0, "fingerprint": fingerprint(start.base)}
    ids = [learnt.text_ids(document)[:ROW] for document in range(min(ROWS, len(learnt)))]
    return facts_of_rows(start, [Line(one, np.ones(len(one), dtype=np.uint8)) for one in ids])
