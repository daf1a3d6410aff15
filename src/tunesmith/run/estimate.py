"""What a recipe's train steps take, or one training that is not written down yet: memory, time and money."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.costs.estimate import PAIRS, Estimate, Work, estimate
from tunesmith.costs.memory import Precision
from tunesmith.costs.methods import method_of
from tunesmith.costs.shapes import COUNT, SCRATCH, TIMES, Shape, shape_of
from tunesmith.recipe import Recipe, TrainStep
from tunesmith.recipe.parameters import options
from tunesmith.run.preflight_facts import FROM_SCRATCH, USUAL_EPOCHS, USUAL_LENGTH
from tunesmith.run.probe import FIRST_ROWS, first_rows
from tunesmith.train.budget import usual_batch
from tunesmith.train.pretrain import CPU_LENGTH, GPU_LENGTH, usual_windows

CHARACTERS = 4.0  # a token of English text, about
USUAL_LONGEST = 2048
TURNS = ("messages", "chosen")


@dataclass(frozen=True)
class Known:
    """What is known of a step's rows."""

    rows: int | None
    tokens: float | None
    length: float
    longest: int
    labels: float
    told: str


@dataclass(frozen=True)
class Devices:
    """What the trainings are to run on."""

    gpu: str | None = None
    gpus: int = 1
    shard: bool = False
    prices: Path | None = None
    tokens: float | None = None  # of an epoch, where a user knows better


def of_recipe(recipe: Recipe, workspace: Path, devices: Devices) -> Iterator[tuple[str, Estimate]]:
    """The estimate of each train step, by its name."""
    if not recipe.train:
        raise UserError("the recipe trains nothing.", "Add a step under train:, or ask what if: --model 8B.")
    above = {step.name: step for step in recipe.train}
    for step in recipe.train:
        root = _root(step, above)
        shape = _shape(recipe, root)
        known = _known(recipe, workspace, step, shape)
        work = _work(recipe, step, shape, known, adapted=_adapted(step, above))
        if step.learns == "texts":
            work = _in_windows(work, step, recipe, known, gpu=devices.gpu is not None)
        yield step.name, _estimated(work, devices, (recipe.folder, workspace))


def what_if(
    model: str,
    devices: Devices,
    workspace: Path,
    *,
    trainer: str = "sft",
    method: str | None = None,
    length: int | None = None,
    epochs: float | None = None,
    batch: int | None = None,
    rank: int | None = None,
    precision: Precision | None = None,
    checkpointing: bool | None = None,
) -> Estimate:
    """The estimate of one training, described by options alone."""
    shape = shape_of(model)
    longest = length or USUAL_LONGEST
    rows = None if devices.tokens is None else int(devices.tokens / longest)
    scratch = shape.scratch or trainer == "pretrain"
    usual = 1.0 if trainer in ("pretrain", "domain") else USUAL_EPOCHS.get(trainer, 1.0)
    notes = [] if length else [f"rows of {longest:,} tokens, as no --length is given"]
    notes += [] if epochs else [f"{usual:g} epochs, usual for {trainer}"]
    work = Work(
        shape,
        trainer,
        method_of(method, {"rank": rank}),
        length=longest,
        longest=longest,
        epochs=epochs or usual,
        batch=batch or int(usual_batch(rows or FIRST_ROWS, scratch=scratch).value),
        precision=precision,
        checkpointing=checkpointing,
        notes=tuple(notes),
    )
    return _estimated(work, devices, (Path(), workspace))


def tokens_given(text: str) -> float:
    """A number of tokens as people write it: 10M, 1.5B or 2,000,000."""
    if found := COUNT.fullmatch(text.strip()):
        return float(found[1]) * TIMES[found[2].lower()]
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise UserError(f"--tokens {text!r} is no number.", "Write 10M, 1.5B or 2,000,000.") from None


def _estimated(work: Work, devices: Devices, folders: tuple[Path, ...]) -> Estimate:
    placed = replace(
        work,
        gpu=devices.gpu,
        gpus=devices.gpus,
        shard=devices.shard,
        tokens=work.tokens if devices.tokens is None else devices.tokens,
    )
    here = None if devices.gpu else _cpu_flops()
    return estimate(placed, prices=devices.prices, folders=folders, memory=_memory(), cpu_flops=here)


def _memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _cpu_flops() -> float | None:
    """What this processor computes in float32, measured; None without torch."""
    if find_spec("torch") is None:
        return None
    from tunesmith.train.device import Device
    from tunesmith.train.peak import peak_flops

    return peak_flops(Device("cpu", bfloat16=False))


def _root(step: TrainStep, above: Mapping[str, TrainStep]) -> TrainStep:
    return _root(above[step.start], above) if step.start in above else step


def _adapted(step: TrainStep, above: Mapping[str, TrainStep]) -> TrainStep | None:
    """The step whose adapter is trained: this one, or one above that it goes on with."""
    if step.adapter is not None:
        return step
    return _adapted(above[step.start], above) if step.start in above else None


def _shape(recipe: Recipe, root: TrainStep) -> Shape:
    vocabulary = cast("int | None", root.tokenizer.get("vocabulary"))
    try:
        return shape_of(root.start, vocabulary=vocabulary, folder=recipe.folder)
    except UserError as error:
        raise UserError(f"{root.where}: {error.problem}", error.hint) from error


def _work(recipe: Recipe, step: TrainStep, shape: Shape, known: Known, *, adapted: TrainStep | None) -> Work:
    given = {name: item.default for name, item in options(step.trainer.load()).items()} | dict(step.parameters)
    scratch = step.start.startswith(SCRATCH)
    batch = int(str(given.get("batch_size") or usual_batch(known.rows or FIRST_ROWS, scratch=scratch).value))
    choice = adapted.adapter if adapted else None
    steps = recipe.steps or given.get("steps")
    epochs = given.get("epochs") or (FROM_SCRATCH if scratch else USUAL_EPOCHS.get(step.trainer.name, 1.0))
    tokens = known.tokens
    notes = [known.told]
    if steps is not None:  # so many steps take so many tokens, whatever there are
        sides = 2 if step.trainer.name in PAIRS else 1
        per_row = sides * known.length if not known.rows or known.tokens is None else known.tokens / known.rows
        tokens, epochs = int(str(steps)) * batch * per_row, 1.0
        notes.append(f"{steps} steps of {batch} rows")
    checkpointing, precision = given.get("checkpointing"), given.get("precision")
    return Work(
        shape,
        step.trainer.name,
        method_of(choice.kind if choice else None, choice.options if choice else None),
        tokens=tokens,
        length=known.length,
        longest=min(known.longest, int(str(given.get("max_length") or known.longest))),
        labels=known.labels,
        epochs=float(str(epochs)),
        batch=batch,
        precision=cast("Precision | None", precision),
        checkpointing=None if checkpointing is None else bool(checkpointing),
        notes=tuple(notes),
    )


def _in_windows(work: Work, step: TrainStep, recipe: Recipe, known: Known, *, gpu: bool) -> Work:
    """The same for text, which is learnt in windows of one length, without padding."""
    given = step.parameters
    length = int(str(given.get("length") or (GPU_LENGTH if gpu else CPU_LENGTH)))
    batch = int(str(given.get("batch_size") or usual_windows(length, work.shape.anatomy.parameters).value))
    steps = recipe.steps or given.get("steps")
    tokens, epochs, told = known.tokens, work.epochs, f"windows of {length:,} tokens"
    if steps is not None or given.get("tokens") is not None:
        tokens = float(str(given["tokens"])) if steps is None else float(int(str(steps)) * batch * length)
        epochs, told = 1.0, f"{tokens:,.0f} tokens in windows of {length:,}"
    elif given.get("epochs") is None and step.trainer.name == "domain":
        epochs = 1.0
    return replace(
        work,
        tokens=tokens,
        unique=known.tokens,
        length=length,
        longest=length,
        labels=1.0,
        epochs=epochs,
        batch=batch,
        notes=(known.told, told),
    )


def _known(recipe: Recipe, workspace: Path, step: TrainStep, shape: Shape) -> Known:
    """Rows and tokens: from the pre-flight of a run of this recipe, else from the first rows of the sources."""
    report = workspace / "runs" / recipe.name / "report.json"
    found = json.loads(report.read_text("utf-8")).get("preflight", {}) if report.is_file() else {}
    account = found.get(step.name)
    if account and account["rows"] > account["too_long"]:
        rows, tokens = account["rows"] - account["too_long"] - account["unanswered"], account["tokens"]
        longest = min(account["longest"], account["limit"])
        sides = 2 if step.trainer.name in PAIRS else 1
        told = f"{rows:,} rows and {tokens:,} tokens, as the run {recipe.name} counted them"
        return Known(rows, float(tokens), tokens / max(1, rows) / sides, longest, account["trained"] / tokens, told)
    return _first(recipe, step, shape)


def _first(recipe: Recipe, step: TrainStep, shape: Shape) -> Known:
    """From the first rows of the sources: four characters are taken for a token, and no row for dropped."""
    data = recipe.data[step.data]
    while data.feed is not None:
        data = recipe.data[data.feed.name]
    batch, whole = first_rows(recipe, data)
    limit = float(USUAL_LENGTH if shape.scratch else USUAL_LONGEST)
    rows = batch.to_pylist()
    lengths = [max(1.0, min(limit, characters(row) / CHARACTERS)) for row in rows] or [limit]
    learnt = sum(characters(row, learnt=True) for row in rows) / max(1, sum(map(characters, rows)))
    sides = 2 if step.trainer.name in PAIRS else 1
    told = f"the first {len(lengths):,} rows, before any pass; {CHARACTERS:g} characters are taken for a token"
    more = "" if whole else "; how many rows there are is not known before a run: tell it with --tokens"
    return Known(
        rows=len(lengths) if whole else None,
        tokens=sum(lengths) * sides if whole else None,
        length=sum(each**2 for each in lengths) / sum(lengths),
        longest=int(max(lengths)),
        labels=learnt or 1.0,
        told=told + more,
    )


def characters(row: Mapping[str, object], *, learnt: bool = False) -> int:
    """Characters of a row's text, or of its turns and the answer chosen; or of those that are learnt."""
    turns = [turn for column in TURNS for turn in cast("list[Mapping[str, object]]", row.get(column) or [])]
    if turns and learnt:
        turns = [turn for turn in turns if turn.get("role") == "assistant"]
    text = "" if turns else row.get("text")
    return len(str(text or "")) + sum(len(str(turn.get("content") or "")) for turn in turns)
