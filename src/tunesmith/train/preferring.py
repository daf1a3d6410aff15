"""What every training on preferences shares: its budget, references computed once, answers watched, the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Batch, Index, feed_of
from tunesmith.train.budget import answer_budget, dpo_rate, fingerprint_of, measurements, steps_of
from tunesmith.train.corpus import Rendered
from tunesmith.train.folder import write_folder
from tunesmith.train.job import Computed, Job, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.resume import load_state, save_state
from tunesmith.train.sft import trained
from tunesmith.train.start import Start, start_from
from tunesmith.train.watching import Held, Watcher

if TYPE_CHECKING:
    import torch

B = TypeVar("B", bound=Batch)


class PreferenceLoss(Protocol[B]):
    """A loss over rows that a reference has seen before."""

    @property
    def settings(self) -> object:
        """All that the loss depends on beside the rows."""

    def parts(self, rows: Rendered, indices: Index, step: int) -> Iterable[B]:
        """The parts of a step's batch."""

    def reference(self, rows: Rendered) -> torch.Tensor:
        """What is kept of the rows under the model as it is now, a line a row."""

    def __call__(self, batch: B, reference: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A part's share of the loss, and of what to show of it."""

    def validation(self, rows: Rendered, reference: torch.Tensor) -> Numbers:
        """Loss and more of held-out rows, all of them taken as one batch."""


@dataclass(frozen=True)
class Budget:
    """How long to train and how fast."""

    settings: Settings
    batch_size: int

    def __str__(self) -> str:
        return f"{self.settings.steps:,} steps of {self.batch_size}"


def budget_of(
    start: Start,
    learnt: Rendered,
    seed: int,
    *,
    steps: int | None,
    epochs: float | None,
    batch_size: int,
    learning_rate: float | None,
    weight_decay: float,
    patience: int | None,
) -> Budget:
    """The budget as given, the rest computed from model and rows."""
    usual = Computed(1.2, "usual for preference tuning")
    count = steps_of(steps, epochs, weights=learnt.weights, size=batch_size, usual=usual, chosen=start.chosen)
    usual_rate = dpo_rate(start.parameters, adapter=start.adapted)
    settings = Settings(
        steps=count,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, usual_rate),
        weight_decay=weight_decay,
        warmup=0.1,
        seed=seed,
        validate_every=measurements(count),
        patience=patience,
    )
    return Budget(settings, batch_size)


def tuned_start(job: Job) -> Start:
    """Where preference tuning starts; raises UserError for random weights, which have nothing to prefer."""
    if isinstance(job.start, Scratch):
        raise UserError("Preference tuning cannot start from random weights.", "Put an sft step before it.")
    return start_from(job)


def prefer(
    job: Job,
    start: Start,
    learnt: Rendered,
    held_out: Rendered,
    watcher: Watcher | None,
    *,
    loss: PreferenceLoss[B],
    budget: Budget,
    margin: float | None,
) -> Trained:
    """Train on preferences and write the model folder; `margin` is how much meaning may be lost of the start's."""
    settings, size = budget.settings, budget.batch_size
    watched = None if watcher is None else [watcher.prompts, watcher.expected, watcher.new_tokens]
    print_of = fingerprint_of(
        [vars(settings), loss.settings, size, job.adapter, start.computing, margin, watched], learnt
    )
    references, begin = _before(
        job.resume / "reference",
        print_of,
        lambda: [loss.reference(rows) for rows in (learnt, held_out)],
        lambda found: Held(partial(loss.validation, held_out, found[1]), watcher).of_start(),
    )
    held = Held(partial(loss.validation, held_out, references[1]), watcher, margin, begin)
    if watcher is not None:
        job.say(f"{len(watcher.prompts)} held-out prompts are answered at each measurement: {held.account}")
    state = train(
        start.model,
        feed_of(partial(loss.parts, learnt), learnt.lengths, size=size, weights=learnt.weights, seed=job.seed),
        loss=lambda _, batch: loss(batch, references[0]),
        settings=settings,
        validate=held if len(held_out) else None,
        resume=job.resume,
        fingerprint=print_of,
        say=job.say,
        progress=job.progress,
        meter=start.meter(learnt),
        begin=held.entry,
    )
    longest = answer_budget(learnt.sides[0].longest_answer)
    write_folder(job.out, start, max_new_tokens=longest, curve=state.curve)
    return trained(state, size, learnt, start, held.warnings(state))


def _before(
    folder: Path,
    fingerprint: str,
    make: Callable[[], list[torch.Tensor]],
    begin: Callable[[Sequence[torch.Tensor]], Numbers | None],
) -> tuple[list[torch.Tensor], Numbers | None]:
    """What is taken once from the start, before the first step: references, and its own numbers."""
    kept = load_state(folder, fingerprint=fingerprint)
    if kept is None:
        made = make()
        kept = {"fingerprint": fingerprint, "parts": made, "begin": begin(made)}
        save_state(folder, kept, 0)
    return cast("list[torch.Tensor]", kept["parts"]), cast("Numbers | None", kept["begin"])
