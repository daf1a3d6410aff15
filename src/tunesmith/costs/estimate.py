"""Memory, time and money of one training, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tunesmith.core.errors import UserError
from tunesmith.costs.files import Listed, listed
from tunesmith.costs.memory import (
    CPU_ROOM,
    Memory,
    Precision,
    Setup,
    checkpointing_needed,
    free_bytes,
    memory_of,
    precision_that_fits,
    token_bytes,
    tokens_of_part,
    usable,
)
from tunesmith.costs.methods import Method, trained_weights
from tunesmith.costs.money import extra_share, money_of, price_of
from tunesmith.costs.names import nearest
from tunesmith.costs.peaks import GB, Gpu, gpu_named
from tunesmith.costs.sensible import Sense, sensible
from tunesmith.costs.shapes import Shape
from tunesmith.costs.time import ALL_LABELS, PASSES, Range, hours_of, operations, prior

PAIRS = ("dpo", "reward")
HOURS_A_MONTH = 730.0
HEAP = "glibc's heap may hold twice as much; with MALLOC_MMAP_THRESHOLD_=1048576 it does not (docs/costs.md)"


@dataclass(frozen=True)
class Work:
    """What is to be trained on what, as far as it is known; None is what the estimate chooses or does not know."""

    shape: Shape
    trainer: str = "sft"
    method: Method = field(default_factory=Method)
    tokens: float | None = None  # of an epoch: padding aside, of a pair both answers
    unique: float | None = None  # of the tokens, where steps go through them more or less than once
    length: float = 1024.0  # of the row that a token stands in, on average
    longest: int = 1024
    labels: float = 1.0  # share of the tokens that are learnt
    epochs: float = 1.0
    batch: int = 32  # rows a step
    gpu: str | None = None
    gpus: int = 1
    shard: bool = False
    precision: Precision | None = None
    checkpointing: bool | None = None
    notes: tuple[str, ...] = ()  # what was assumed

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.trainer not in PASSES:
            raise UserError(f"there is no estimate for the trainer {self.trainer!r}.", nearest(self.trainer, PASSES))
        if self.gpus < 1 or self.longest < 1 or self.batch < 1:
            raise UserError("devices, length and batch are 1 at least.", "Give larger numbers.")
        if self.gpu is None and self.gpus > 1:
            raise UserError("several processes on a processor are not estimated.", "Name a GPU: --gpu H100.")


@dataclass(frozen=True)
class Estimate:
    """What a training takes."""

    work: Work
    precision: Precision
    why_precision: str
    checkpointing: bool
    trained: int
    memory: Memory  # of each device
    room: float | None  # bytes that each device has, as far as it is known
    part_tokens: int | None  # padded tokens of a part; None where a step fits as a whole
    parts: int  # of a step, on each device
    operations: float | None
    hours: Range | None
    mfu: str
    money: Range | None
    used: tuple[str, ...]  # which files
    sense: Sense | None = None

    @property
    def fits(self) -> bool | None:
        """Whether it fits, a GPU's gaps counted; None where the room is not known."""
        if self.room is None:
            return None
        held = self.memory.peak - self.memory.constant
        return held <= (usable(self.room) if self.work.gpu else self.room)

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        work, shape = self.work, self.work.shape
        told = {name: getattr(work, name) for name in TOLD}
        return {
            **told,
            "model": {"name": shape.name, "parameters": shape.anatomy.parameters, "from": shape.told},
            "method": vars(work.method),
            "parameters_trained": self.trained,
            "precision": {"value": self.precision, "why": self.why_precision},
            "checkpointing": self.checkpointing,
            "memory": {"parts": self.memory.parts, "apart": self.memory.apart, "peak": self.memory.peak},
            "room": self.room,
            "fits": self.fits,
            "part_tokens": self.part_tokens,
            "parts_a_step": self.parts,
            "operations": self.operations,
            "hours": self.hours.as_json() if self.hours else None,
            "mfu": self.mfu,
            "money": self.money.as_json() if self.money else None,
            "used": list(self.used),
            "pretraining": self.sense.as_json() if self.sense else None,
        }


TOLD = ("trainer", "tokens", "length", "longest", "labels", "epochs", "batch", "gpu", "gpus", "shard", "notes")


def estimate(
    work: Work,
    *,
    prices: Path | None = None,
    folders: Sequence[Path] = (),
    memory: float | None = None,
    cpu_flops: float | None = None,
) -> Estimate:
    """What a training takes on each of its devices.

    `prices` is a user's file, `folders` where prices.yaml and peaks.yaml of a user may lie. Without a GPU it is this
    machine's processor: `memory` is what it has and `cpu_flops` what it can compute, where they are known.
    """
    peaks = listed("peaks.yaml", folders=folders)
    gpu = None if work.gpu is None else gpu_named(work.gpu, peaks)
    precision, why = _precision(work, gpu)
    setup = Setup(
        work.shape.anatomy,
        work.method,
        precision,
        longest=work.longest,
        trainer=work.trainer,
        shards=work.gpus if work.shard else 1,
        gpu=gpu is not None,
        by_hand=gpu is None and precision == "float32",
    )
    room, light = _room(setup, work, gpu)
    setup = replace(setup, checkpointing=light)
    step = -(-work.batch // work.gpus) * _least(work)
    part = _part(room, step, _least(work), gpu)
    held = min(step, part or step)
    found = memory_of(setup, tokens=held, labels=_labels(work, held), parts=held < step, best=True)
    done = None if work.tokens is None else _operations(work, light)
    hours, mfu = _hours(work, done, gpu, precision, cpu_flops)
    money, used = _money(work, hours, gpu, listed("prices.yaml", given=prices, folders=folders))
    return Estimate(
        work=work,
        precision=precision,
        why_precision=why,
        checkpointing=light,
        trained=trained_weights(work.shape.anatomy, work.method),
        memory=found,
        room=gpu.memory if gpu else memory,
        part_tokens=part,
        parts=-(-step // held),
        operations=done,
        hours=hours,
        mfu=mfu,
        money=money,
        used=(f"peak and memory: {peaks.told(gpu.name)}" if gpu else HEAP, *used),
        sense=_sense(work, hours, money),
    )


def _precision(work: Work, gpu: Gpu | None) -> tuple[Precision, str]:
    if work.precision is not None:
        return work.precision, "as given"
    if gpu is None:
        return "float32", "on a processor; one with bfloat16 products would take mixed"
    moving = 0 if work.method.full else trained_weights(work.shape.anatomy, work.method)
    parameters = (work.shape.anatomy.parameters + moving) / (work.gpus if work.shard else 1)
    return precision_that_fits(round(parameters), gpu.memory, adapter=not work.method.full)


def _room(setup: Setup, work: Work, gpu: Gpu | None) -> tuple[int, bool]:
    """Tokens that fit at once, and whether activations are computed again for that: as the trainer decides."""
    free = CPU_ROOM if gpu is None else free_bytes(setup, gpu.memory)
    whole = free / token_bytes(setup)
    needed = gpu is not None and checkpointing_needed(whole, _least(work))
    light = needed if work.checkpointing is None else work.checkpointing
    return int(free / token_bytes(replace(setup, checkpointing=light))), light


def _least(work: Work) -> int:
    """Tokens that a part holds at least: a row, or both of a pair."""
    return work.longest * (2 if work.trainer in PAIRS else 1)


def _part(room: int, step: int, least: int, gpu: Gpu | None) -> int | None:
    if gpu is None and room >= step:
        return None
    return tokens_of_part(max(1, room), least)


def _labels(work: Work, tokens: int) -> int:
    return tokens if work.trainer in ALL_LABELS else round(work.labels * tokens)


def _operations(work: Work, light: bool) -> float:
    return operations(
        work.shape.anatomy,
        work.method,
        trainer=work.trainer,
        tokens=work.tokens or 0.0,
        epochs=work.epochs,
        length=work.length,
        labels=1.0 if work.trainer in ALL_LABELS else work.labels,
        checkpointing=light,
    )


def _hours(
    work: Work, done: float | None, gpu: Gpu | None, precision: Precision, cpu_flops: float | None
) -> tuple[Range | None, str]:
    """Hours where they can be told, and what they rest on."""
    if done is None:
        return None, "tokens are not known: give --tokens"
    if gpu is None:
        if cpu_flops is None:
            return None, "this processor's peak is not known: torch, which measures it, is not installed"
        return hours_of(done, cpu_flops, devices=1, gpu="cpu"), f"MFU {prior('cpu')[0]:g} of the measured peak, a guess"
    if precision == "float32":
        return None, "peaks are listed for bfloat16 only"
    share, why = prior(gpu.name)
    return hours_of(done, gpu.flops, devices=work.gpus, gpu=gpu.name), f"MFU {share:g}, {why}"


def _money(work: Work, hours: Range | None, gpu: Gpu | None, prices: Listed) -> tuple[Range | None, list[str]]:
    if gpu is None:
        return None, []
    price = price_of(gpu.name, prices)
    if price is None:
        return None, [f"no price of {gpu.name} in {prices.file}: name it in a prices.yaml of your own"]
    used = [f"price: {prices.told(gpu.name)}"]
    return (money_of(hours, work.gpus, price, extra_share(prices)) if hours else None), used


def _sense(work: Work, hours: Range | None, money: Range | None) -> Sense | None:
    """Of a pre-training, whether it is sensible."""
    if work.trainer != "pretrain":
        return None
    months = hours.likely / HOURS_A_MONTH if hours else None
    return sensible(unique_tokens=work.unique or work.tokens, money=money.likely if money else None, months=months)


def gigabytes(size: float) -> str:
    """Bytes for people."""
    return f"{size / GB:.3g} GB" if size >= GB else f"{size / 1e6:.3g} MB"
