"""Reinforcement learning from any reward: the model samples answers to prompts and learns from what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Index, feed_of
from tunesmith.train.budget import answer_budget, fingerprint_of, measurements, rlhf_rate, steps_of
from tunesmith.train.devices import here
from tunesmith.train.folder import stops_of, write_folder
from tunesmith.train.guarded import Guarded, Guards, HeldOut, Shown, held_out_of
from tunesmith.train.job import Computed, Job, Scratch, Trained
from tunesmith.train.loop import Numbers, Settings, train
from tunesmith.train.plan import Wishes, planned
from tunesmith.train.policy import Method, PolicyObjective
from tunesmith.train.prompts import Prompts, prompts_of
from tunesmith.train.resume import load_state, save_state
from tunesmith.train.rollouts import Policy, Reference
from tunesmith.train.sampling import Sampler
from tunesmith.train.sft import tokens_folder, trained
from tunesmith.train.start import Start, start_from

LEARNS = "prompts"
REWARDED = True
CHANGES_VALIDATION = ("max_length", "max_new_tokens")
USUAL_STEPS = 200


def rlhf(
    job: Job,
    *,
    method: Method = "rloo",
    beta: float = 0.05,
    generations: int = 8,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 16,
    learning_rate: float | None = None,
    max_new_tokens: int | None = None,
    max_length: int | None = None,
    mask_truncated: bool = False,
    patience: int | None = None,
    meaning_margin: float | None = 0.02,
    diversity_floor: float | None = 0.5,
    kl_bound: float | None = 10.0,
) -> Trained:
    """Reinforcement learning from a reward (a metric, or a reward model), starting from a tuned checkpoint.

    In each step the model samples `generations` answers to each of batch_size prompts, at temperature 1, and takes one
    step up the reward. method is rloo, grpo, dapo or dr_grpo. beta is the weight of the KL to the start: in the reward
    (rloo), or in the loss. steps, or epochs over the prompts, is the budget. max_new_tokens, the most an answer may
    have, is computed from the start's decoding settings or from the expected answers; answers that it cuts off are
    counted, and with mask_truncated nothing is learnt from them. max_length is for prompt and expected answer.

    Of ten measurements on held-out prompts the one with the highest reward is kept among those within three bounds.
    meaning_margin is how far the meaning of greedy answers (ROUGE-L to the expected ones) may fall below the start's;
    with it, their length is half to twice the start's. diversity_floor is the share of the start's variety that must be
    left, and kl_bound the most nats an answer may lie from the start. null switches a bound off. Where nothing is
    within them, the start is kept and a warning says why. Other parameters are as in dpo.
    """
    start = _start(job)
    limit = min(max_length or start.room, start.room)
    learnt, held = (
        prompts_of(job, rows, start, limit=limit, folder=tokens_folder(job, part), part=part)
        for rows, part in ((job.train, "train"), (job.validation, "validation"))
    )
    new_tokens = _new_tokens(start, max_new_tokens, (learnt, held))
    objective = PolicyObjective(method, beta, generations, new_tokens)
    rate = start.chosen.or_computed("learning_rate", learning_rate, rlhf_rate(start.parameters, adapter=start.adapted))
    settings = _settings(_steps(start, learnt, steps, epochs, batch_size), rate, job.seed, patience)
    answers = batch_size * generations
    start = planned(
        start,
        learnt.lengths + new_tokens,
        batch=answers,
        steps=settings.steps,
        wishes=Wishes(layout="buckets"),
        held=generations,
    )
    policy = _policy(job, start, learnt, objective, _drawn(learnt, batch_size, settings), mask_truncated)
    held_out = held_out_of(job, held, policy)
    guards = Guards(meaning_margin, diversity_floor, kl_bound)
    job.say(f"rlhf: {method}, {len(learnt):,} prompts, {start.account}, {settings.steps:,} steps of {answers} answers")
    watched = None if held_out is None else [held_out.watcher.prompts, held_out.watcher.expected]
    print_of = fingerprint_of(
        [vars(settings), policy.settings, batch_size, job.adapter, start.computing, vars(guards), watched],
        learnt.rendered,
    )
    guarded = _guarded(job, held_out, guards, print_of)
    state = train(
        start.model,
        feed_of(policy.parts, learnt.lengths, size=batch_size, weights=learnt.rendered.weights, seed=job.seed),
        loss=policy.loss,
        settings=settings,
        validate=guarded,
        resume=job.resume,
        fingerprint=print_of,
        say=job.say,
        progress=job.progress,
        meter=start.meter(learnt.rendered),
        begin={**guarded.begin, "eligible": 1.0} if guarded else None,
    )
    write_folder(job.out, start, max_new_tokens=new_tokens, curve=state.curve)
    done = trained(state, batch_size, learnt.rendered, start, guarded.warnings(state) if guarded else ())
    return replace(done, facts={"rlhf": {"method": method, **(guarded.facts(state) if guarded else {})}})


def _start(job: Job) -> Start:
    """Where it starts; raises UserError where there is nothing to sample from, or no way to here."""
    if isinstance(job.start, Scratch):
        raise UserError("rlhf cannot start from random weights: they give no answers.", "Put an sft step before it.")
    if job.reward is None:
        raise UserError("Nothing says what answers are worth.", "Give the step a reward: a metric or a reward model.")
    if here().shard:
        raise UserError("rlhf does not sample from a model in shards.", "Leave out --shard: --processes N will do.")
    start = start_from(job)
    if start.adapted and start.model.active_peft_config.is_prompt_learning:
        raise UserError(f"rlhf does not train a {start.adapted} adapter.", "Use lora, or leave adapter out.")
    return start


def _steps(start: Start, learnt: Prompts, steps: int | None, epochs: float | None, batch_size: int) -> int:
    weights = learnt.rendered.weights
    usual = Computed(
        min(1.0, USUAL_STEPS * batch_size / float(weights.sum())), f"once through them, at most {USUAL_STEPS} steps"
    )
    return steps_of(steps, epochs, weights=weights, size=batch_size, usual=usual, chosen=start.chosen)


def _settings(steps: int, learning_rate: float, seed: int, patience: int | None) -> Settings:
    return Settings(
        steps=steps,
        learning_rate=learning_rate,
        warmup=0.1,
        seed=seed,
        validate_every=measurements(steps),
        patience=patience,
    )


def _new_tokens(start: Start, given: int | None, prompts: Sequence[Prompts]) -> int:
    """The most tokens an answer may have, beside the longest prompt."""
    longest = max(int(some.lengths.max(initial=0)) for some in prompts)
    room = start.room - longest
    if room < 1:
        raise UserError(f"A prompt of {longest} tokens leaves no room for an answer.", "Give a smaller max_length.")
    own = getattr(start.model.generation_config, "max_new_tokens", None)
    learnt = answer_budget(max(some.rendered.sides[0].longest_answer for some in prompts))
    usual = Computed(own, "the start's decoding settings") if own else Computed(learnt, "from the expected answers")
    return min(room, int(start.chosen.or_computed("max_new_tokens", given, usual)))


def _drawn(learnt: Prompts, batch_size: int, settings: Settings) -> Index:
    """The prompts that all steps together will draw."""
    weights, seed = learnt.rendered.weights, settings.seed
    feed = feed_of(lambda indices, _: indices, learnt.lengths, size=batch_size, weights=weights, seed=seed)
    return np.concatenate(list(islice(feed(0), settings.steps)))


def _policy(
    job: Job, start: Start, learnt: Prompts, objective: PolicyObjective, drawn: Index, mask_truncated: bool
) -> Policy:
    assert job.reward is not None
    stops = stops_of(start)
    sampler = Sampler(start, objective.generations, objective.new_tokens, stops)
    rows = learnt.rows(drawn)  # no others are kept in memory
    return Policy(start, learnt, rows, job.reward, sampler, objective, Reference(start), job.seed, mask_truncated)


def _guarded(job: Job, held_out: HeldOut | None, guards: Guards, fingerprint: str) -> Guarded | None:
    """What is measured, its bounds beside the start's own numbers, which are taken once, before the first step."""
    if held_out is None:
        job.say("no validation prompts: nothing tells whether the reward is gamed, and the last weights are kept")
        return None
    folder = job.resume / "start"
    kept = load_state(folder, fingerprint=fingerprint)
    if kept is None:
        kept = {"fingerprint": fingerprint, "begin": held_out.numbers(), "shown": held_out.shown()}
        save_state(folder, kept, 0)
    guarded = Guarded(held_out, guards, cast("Numbers", kept["begin"]), cast("list[Shown]", kept["shown"]))
    job.say(f"{len(held_out.indices)} held-out prompts are asked at each measurement: {guarded.account}")
    return guarded
