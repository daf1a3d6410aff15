"""Domain tuning: a model reads on in a field's documents, with a share of general text against forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.core.numbers import Number
from tunesmith.costs.memory import Precision
from tunesmith.train.budget import fingerprint_of, measurements, pretrain_rate
from tunesmith.train.devices import here
from tunesmith.train.documents import Documents
from tunesmith.train.folder import write_folder
from tunesmith.train.forgetting import Change, Kept, Measured, forgetting, measured
from tunesmith.train.job import Computed, Job, Scratch, Trained
from tunesmith.train.language import HeldOut, measure
from tunesmith.train.loop import Settings, State
from tunesmith.train.plan import Attention, Wishes, planned
from tunesmith.train.pretrain import (
    ANSWER,
    adapter_facts_of_text,
    documents_of,
    learn,
    mixture_of,
    steps_of_text,
    usual_length,
    usual_windows,
)
from tunesmith.train.start import Start, start_from
from tunesmith.train.terminology import counted, occurrences_of, terminology, terms_of
from tunesmith.train.windows import Mixture, Stream

LEARNS = "texts"
REPLAYS = True
CHANGES_VALIDATION = ("length",)
# Ibrahim et al. (2024, arXiv 2403.08763): 5 % replay where the shift is weak, 25 % where it is strong; 1 % helps too.
USUAL_REPLAY = 0.05


def domain(
    job: Job,
    *,
    tokens: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    length: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float = 0.1,
    replay_share: float | None = None,
    forgetting_margin: float | None = None,
    term_occurrences: int | None = 10,
    domains: Mapping[str, float] | None = None,
    apart: bool = False,
    precision: Precision | None = None,
    attention: Attention | None = None,
    checkpointing: bool | None = None,
    compile: bool | None = None,
    patience: int | None = 3,
) -> Trained:
    """Further pre-training on a domain's documents; general text is replayed, and what is forgotten of it is measured.

    The weights with the lowest loss on the domain's held-out documents are kept. replay: names the list of general
    text, replay_share the share of tokens drawn from it (0.05 without it; 0 replays nothing, and still measures). Its
    held-out documents tell what is forgotten, from before the first step on. With forgetting_margin, weights that cost
    more than so many nats a general token more than before are not kept; without it all may be: how much a user of
    the model can lose is for the recipe to say.

    Terms are words markedly more frequent in the domain's training text than in the general text. How well those that
    held-out documents have at least term_occurrences times are foretold, before and after, stands in the report; null
    leaves it out. An epoch is one of the domain's documents. Other parameters are as in pretrain. Raises UserError
    from random weights, and where nothing is left to learn.
    """
    if isinstance(job.start, Scratch):
        raise UserError(
            "Domain tuning cannot begin with random weights: there is nothing that they know.",
            "Name a model in start:, or put a pretrain step before it.",
        )
    start = start_from(job, precision=precision, chats=False)
    texts = _texts_of(job, start)
    length = int(start.chosen.or_computed("length", length, usual_length(start)))
    share = start.chosen.or_computed("replay_share", replay_share, _usual_share(texts))
    size = int(start.chosen.or_computed("batch_size", batch_size, usual_windows(length)))
    mixture = with_replay(mixture_of(texts.domain, domains, length=length, seed=job.seed), texts.general, share)
    drawn = texts.domain.drawn / (1 - share)
    budget = steps_of_text(start.chosen, tokens, steps, epochs, drawn=drawn, step=size * length, scratch=False)
    rate = pretrain_rate(start.parameters, start.width, scratch=False, adapter=start.adapted)
    settings = Settings(
        steps=budget,
        learning_rate=start.chosen.or_computed("learning_rate", learning_rate, rate),
        weight_decay=weight_decay,
        betas=(0.9, 0.95),
        seed=job.seed,
        validate_every=measurements(budget),
        patience=patience,
    )
    wishes = Wishes("buckets", attention, checkpointing, compile)
    start = planned(start, np.full(1, length), batch=size, steps=budget, wishes=wishes)
    job.say(
        f"domain: {texts.domain.tokens:,} tokens of {len(texts.domain):,} documents, {start.account}, "
        f"{budget:,} steps of {size} x {length} tokens, {share:.1%} of them general text"
    )
    held = texts.held_out(length)
    before = {name: measured(one, start) for name, one in held.items()}
    kept = _kept(start, held, before, forgetting_margin)
    state = learn(
        *(job, start, mixture, settings),
        size=size,
        apart=apart,
        validate=kept,
        begin=kept.begin if kept else None,
        fingerprint=fingerprint_of([domains, forgetting_margin], *texts.all),
    )
    write_folder(job.out, start, max_new_tokens=ANSWER, curve=state.curve)
    facts: dict[str, object] = {
        "tokens": state.step * size * length,
        "unique_tokens": texts.domain.tokens,
        "replay_share": share,
    }
    if here().is_main:
        facts |= _before_and_after(job, start, before, term_occurrences)
    return _trained(state, start, mixture, size, texts.domain, facts, kept.warnings(state) if kept else ())


@dataclass(frozen=True)
class Texts:
    """Documents of the domain and general ones, to learn and held out; none where there are none."""

    domain: Documents
    domain_held: Documents
    general: Documents | None = None
    general_held: Documents | None = None

    @property
    def all(self) -> list[Documents]:
        """Those that there are."""
        every = (self.domain, self.domain_held, self.general, self.general_held)
        return [documents for documents in every if documents is not None]

    def held_out(self, length: int) -> dict[str, HeldOut]:
        """What is measured."""
        every = {"domain": self.domain_held, "general": self.general_held}
        return {name: HeldOut(documents, length) for name, documents in every.items() if documents}


def _texts_of(job: Job, start: Start) -> Texts:
    learnt = documents_of(job, job.train, start, "train")
    held = documents_of(job, job.validation, start, "validation")
    if not len(held):
        job.say("there are no held-out documents of the domain: nothing is measured of it, and the last weights stay")
    if job.general is None:
        job.say("without replay: a list of general text, what is forgotten is not measured, nor are terms found")
        return Texts(learnt, held)
    general = documents_of(job, job.general.train, start, "general")
    general_held = documents_of(job, job.general.validation, start, "general-validation")
    if not len(general_held):
        job.say("the list that replay: names has no held-out documents: what is forgotten is not measured")
    return Texts(learnt, held, general, general_held)


def _usual_share(texts: Texts) -> Computed:
    if not texts.general:
        return Computed(0.0, "there is no general text")
    return Computed(USUAL_REPLAY, "usual where the domain's language is the model's own; more where it is another one")


def with_replay(mixture: Mixture, general: Documents | None, share: float) -> Mixture:
    """The mixture with a share of general text."""
    if not 0 <= share < 1:
        raise UserError(f"replay_share {share:g} will not do.", "Give a number from 0 to below 1.")
    if not share:
        return mixture
    if not general:
        raise UserError(f"replay_share is {share:g}, and there is no general text.", "Name a list of it in replay:.")
    first = mixture.streams[0]
    # A seed of its own: neither stream's order follows from the other's.
    replayed = Stream(general, length=first.length, seed=first.seed + len(mixture.streams))
    return Mixture([*mixture.streams, replayed], [*(one * (1 - share) for one in mixture.shares), share])


def _kept(
    start: Start, held: Mapping[str, HeldOut], before: Mapping[str, Measured], margin: float | None
) -> Kept | None:
    """What the loop measures; the domain decides. None without held-out documents of it."""
    if margin is not None and len(held) < 2:
        raise UserError(
            "forgetting_margin is given, but there are no held-out documents of the domain and of general text.",
            "Give both lists a validation part, and name the general one in replay:.",
        )
    if "domain" not in held:
        return None
    others = {name: one for name, one in held.items() if name != "domain"}
    begin = {f"validation_{name}": number for name, number in before["domain"].numbers().items()}
    for called in others:
        begin |= {f"validation_{called}_{name}": number for name, number in before[called].numbers().items()}
    return Kept(measure(held["domain"], others, start), begin, margin)


def _before_and_after(
    job: Job, start: Start, before: Mapping[str, Measured], term_occurrences: int | None
) -> dict[str, object]:
    """What was gained and forgotten, and the domain's terms; said, and as plain data."""
    after = {name: measured(one.held, start) for name, one in before.items()}
    changes = {name: forgetting(before[name], after[name]) for name in before}
    for name, told in changes.items():
        job.say(f"{name} text, held out: {_told(told['bits_per_byte'])} bits a byte")
    found: dict[str, object] = {"forgetting": changes} if changes else {}
    if term_occurrences is None or job.general is None or "domain" not in before:
        return found
    terms = terms_of(counted(job.train), counted(job.general.train))
    occurrences = occurrences_of(before["domain"].held, start.tokenizer)
    words = terminology(terms, occurrences, before["domain"], after["domain"], least=term_occurrences)
    in_words = cast("dict[str, Change]", words["all_terms"])["nats"]
    job.say(f"{len(terms):,} terms, in held-out documents: {_told(in_words)} nats an occurrence")
    if occurrences.unread:
        job.say(f"{occurrences.unread:,} held-out documents are left out of it: their text does not give their tokens")
    return {**found, "terminology": words}


def _told(change: Change) -> str:
    before, after = (change[name]["value"] for name in ("before", "after"))
    if before is None:
        return "no"
    return f"{before:.3f} before, {after:.3f} after, a difference of {Number.from_json(change['difference'])}"


def _trained(
    state: State,
    start: Start,
    mixture: Mixture,
    size: int,
    learnt: Documents,
    facts: Mapping[str, object],
    warnings: tuple[str, ...],
) -> Trained:
    """The account of a finished training; its warnings are said."""
    for warning in warnings:
        start.chosen.say(f"warning: {warning}")
    tokens = state.step * size * mixture.streams[0].length * (1 - float(str(facts["replay_share"])))
    return Trained(
        state.step,
        tokens / learnt.drawn,
        state.curve,
        start.chosen.as_dict(),
        start.parameters,
        start.trained,
        warnings,
        adapter_facts_of_text(start, learnt, moved=not warnings),
        facts,
    )
