"""A train step, run: rows of a list in, a checkpoint folder out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.core.executor import LocalExecutor
from tunesmith.data.dataset import Dataset
from tunesmith.evaluate.metrics.rouge_l import rouge_l
from tunesmith.evaluate.metrics.words import words
from tunesmith.models.template import folder_template_hash
from tunesmith.recipe import Recipe, TrainStep
from tunesmith.recipe.parameters import options
from tunesmith.run.bases import find_base, model_key
from tunesmith.run.checkpoints import base_of, readable_bytes
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.ranks import Ranks, together
from tunesmith.run.rewards import reward_key, reward_of
from tunesmith.run.trackers import tracked
from tunesmith.run.train_rows import TrainRows

if TYPE_CHECKING:
    from tunesmith.train.job import Job, Scratch, Trained


def check_installed(recipe: Recipe) -> None:
    """Raise UserError before any work where the recipe trains and what that needs is not installed."""
    needed = ["torch", "transformers", *(["peft"] if any(step.adapter for step in recipe.train) else [])]
    missing = [name for name in needed if recipe.train and find_spec(name) is None]
    if missing:
        raise UserError(
            f"{recipe.train[0].where}: training needs {' and '.join(missing)}, not installed here.",
            "pip install 'tunesmith[train]'",
        )


def run_training(
    context: Context,
    step: TrainStep,
    lists: Mapping[str, Dataset],
    checkpoints: Mapping[str, Path],
    *,
    untrained: bool = False,
) -> Path:
    """The checkpoint of a train step, trained now unless it is done; with `untrained`, its start before any step."""
    start, start_key, known = _start(context, step, checkpoints)
    parameters = {} if untrained else _parameters(context, step)
    inputs = {"data": ref_of(lists[step.data].folder), "start": start_key}
    if step.replay is not None and not untrained:
        inputs["replay"] = ref_of(lists[step.replay].folder)
    module = step.trainer.module()
    fixed = {"tokenizer": step.tokenizer, "init": step.init, "start": step.start, "threads": _threads(context.ranks)}
    if step.adapter is not None and not untrained:
        fixed["adapter"] = {"kind": step.adapter.kind, **step.adapter.options}
    fixed |= {} if untrained else {**context.ranks.in_key, **reward_key(step, checkpoints)}
    plan = Plan(
        "checkpoint",
        "untrained" if untrained else step.name,
        "untrained" if untrained else step.trainer.name,
        getattr(module, "VERSION", 1),
        {**parameters, **fixed},
        inputs,
        context.recipe.seed,
    )
    resume = context.workspace / "cache" / "resume" / plan.key

    def work(out: Path) -> Made:
        _prepare(context)
        job = _job(context, step, lists, start, out / "model.tmp", resume, untrained=untrained)
        if not untrained:
            job = replace(job, reward=reward_of(context, step, checkpoints))
        shutil.rmtree(job.out, ignore_errors=True)
        job.out.mkdir()
        if untrained:
            made = _write_untrained(job)
        else:
            _tell_of_gpus(context)
            with together(
                context.ranks, partial(_take_part, _told(context), step, lists, start, resume, parameters, checkpoints)
            ):
                made = tracked(context, step, job, parameters, partial(_train, context, step, parameters=parameters))
        for path in files_of_folder(job.out):
            path.replace(out / path.name)
        job.out.rmdir()
        return replace(made, facts={**made.facts, **known})

    folder = make(context, plan, work)
    shutil.rmtree(resume, ignore_errors=True)
    return folder


def files_of_folder(folder: Path) -> list[Path]:
    """The files of a model folder."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def _parameters(context: Context, step: TrainStep) -> dict[str, object]:
    """The step's parameters with defaults; a rehearsal's --steps takes the place of steps and epochs."""
    known = options(step.trainer.load())
    given = {name: item.default for name, item in known.items()} | dict(step.parameters)
    if context.recipe.steps is not None and "steps" in known:
        given |= {"steps": context.recipe.steps, "epochs": None}
    return given


def _train(context: Context, step: TrainStep, job: Job, *, parameters: Mapping[str, object]) -> Made:
    trained = cast("Trained", step.trainer.load()(job, **parameters))
    facts = {
        "trainer": step.trainer.name,
        "steps": trained.steps,
        "epochs": trained.epochs,
        "parameters": trained.parameters,
        "trained": trained.trained,
        "adapter": trained.adapter["kind"] if trained.adapter else None,
        "computed": trained.chosen,
        "curve": trained.curve,
        "template": folder_template_hash(job.out),
    }
    if trained.facts:
        facts["found"] = dict(trained.facts)
    if trained.warnings:
        facts["warnings"] = list(trained.warnings)
    if trained.adapter:
        facts["adapter_facts"] = {**trained.adapter, **_sizes(context, job, trained)}
    return Made({"train": len(job.train), "validation": len(job.validation)}, {}, facts)


def _sizes(context: Context, job: Job, trained: Trained) -> dict[str, object]:
    """What an adapter takes on disk, beside its base; told, and kept."""
    base = _base_beneath(job)
    sizes = {"bytes": _weights_size(job.out), "base_bytes": _weights_size(base)}
    own, beneath = (readable_bytes(size) for size in sizes.values())
    share = f"{trained.trained:,} of {trained.parameters:,} parameters are trained"
    part = trained.trained / trained.parameters
    context.show.say(f"the adapter takes {own} on disk beside {beneath} of its base; {share} ({part:.2%})")
    return {**sizes, "base": base_of(context.workspace, base), "base_key": model_key(base)}


def _base_beneath(job: Job) -> Path:
    """The model folder beneath what a job started from."""
    from tunesmith.models.adapter_folder import is_adapter, read_adapter

    start = cast("Path", job.start)
    return read_adapter(start).base if is_adapter(start) else start


def _weights_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in sorted(folder.glob("*.safetensors")))


def _write_untrained(job: Job) -> Made:
    from tunesmith.train.folder import write_start

    facts = {"trainer": "untrained", "steps": 0, "parameters": write_start(job)}
    return Made({}, {}, {**facts, "template": folder_template_hash(job.out)})


def _job(
    context: Context,
    step: TrainStep,
    lists: Mapping[str, Dataset],
    start: Path | Scratch,
    out: Path,
    resume: Path,
    *,
    untrained: bool = False,
) -> Job:
    from tunesmith.train.job import Adapter, General, Job

    rows = {part: TrainRows(lists[step.data], part) for part in ("train", "validation")}
    general = None
    if step.replay is not None and not untrained:
        general = General(*(TrainRows(lists[step.replay], part) for part in ("train", "validation")))
    if not len(rows["train"]):
        raise UserError(f"{step.where}: there are no rows to train on.", f"Look at what was dropped from {step.data}.")
    return Job(
        start=start,
        train=rows["train"],
        validation=rows["validation"],
        out=out,
        resume=resume,
        seed=context.recipe.seed,
        say=context.show.say,
        progress=lambda done, total, numbers: context.show.progress(f"train {step.name}", done, total, numbers),
        adapter=None if step.adapter is None or untrained else Adapter(step.adapter.kind, step.adapter.options),
        watch=watched,
        home=out.parent,
        general=general,
    )


def watched(answers: Sequence[str], expected: Sequence[str]) -> dict[str, float]:
    """What is watched of answers while preferences are learnt: ROUGE-L to what was expected, and words, on average."""
    scores = [score for score in rouge_l(answers, expected) if score is not None]
    return {**({"meaning": fmean(scores)} if scores else {}), "words": fmean(map(words, answers))}


def _start(
    context: Context, step: TrainStep, checkpoints: Mapping[str, Path]
) -> tuple[Path | Scratch, str, dict[str, object]]:
    """What a step starts from, what stands for that in its KEY, and the facts of a base."""
    if step.start in checkpoints:
        folder = checkpoints[step.start]
        return folder, ref_of(folder), {}
    if step.start.startswith("scratch:"):
        from tunesmith.train.job import Scratch

        return Scratch(step.start.removeprefix("scratch:"), step.tokenizer, step.init), step.start, {}
    base = find_base(context, step.start, step.where)
    return base.folder, base.key, {"base": base.facts}


def _threads(ranks: Ranks) -> int:
    """How many threads a process trains with: checkpoints are the same bytes only for the same number."""
    cores = len(os.sched_getaffinity(0)) // ranks.on_this_machine
    return int(os.environ.get("TUNESMITH_THREADS", "0")) or max(1, min(8, cores))


def _prepare(context: Context) -> None:
    import torch

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    torch.set_num_threads(_threads(context.ranks))


def _tell_of_gpus(context: Context) -> None:
    import torch

    if told := context.ranks.idle_gpus(torch.cuda.device_count()):
        context.show.say(told)


class _Silent:
    """How the other processes of a training speak: the first one speaks for all."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Nothing."""


def _told(context: Context) -> Context:
    """The run as the other processes of a training know it."""
    return replace(context, executor=LocalExecutor(1), show=_Silent())


def _take_part(
    context: Context,
    step: TrainStep,
    lists: Mapping[str, Dataset],
    start: Path | Scratch,
    resume: Path,
    parameters: Mapping[str, object],
    checkpoints: Mapping[str, Path],
) -> None:
    """The part of another process in a training: all of it, but it writes nothing that stays."""
    _prepare(context)
    job = _job(context, step, lists, start, resume / "unwritten", resume)
    step.trainer.load()(replace(job, reward=reward_of(context, step, checkpoints)), **parameters)
