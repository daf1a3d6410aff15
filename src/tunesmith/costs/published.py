"""Published runs beside what the estimate says of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from tunesmith.costs.files import Fields, shipped
from tunesmith.costs.memory import Setup, memory_of
from tunesmith.costs.methods import method_of
from tunesmith.costs.peaks import gpu_named
from tunesmith.costs.shapes import inferred, shape_of
from tunesmith.costs.time import LEAST, MOST, Range, hours_of

GIB = 2**30


@dataclass(frozen=True)
class Run:
    """A published pre-training with the estimate of it; None where too little was published."""

    name: str
    fields: Fields
    published: float | None  # GPU-hours
    estimated: Range | None
    mfu: float | None  # that the published hours mean

    @property
    def new(self) -> bool:
        """Whether it was added after the shares of the peak were frozen."""
        return self.fields.get("new") is True

    @property
    def counts(self) -> bool:
        """Whether it is held against the estimate."""
        return self.published is not None and "left_out" not in self.fields

    @property
    def error(self) -> float | None:
        """log10 of estimated over published hours."""
        if self.published is None or self.estimated is None:
            return None
        return math.log10(self.estimated.likely / self.published)

    @property
    def within(self) -> bool:
        """Whether its share of the peak lies in the range that is told."""
        return self.mfu is not None and LEAST <= self.mfu <= MOST

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        hours = self.estimated.as_json() if self.estimated else None
        return {**self.fields, "new": self.new, "estimated": hours, "mfu": self.mfu, "log10_error": self.error}


def published_runs() -> list[Run]:
    """All published runs, in their order."""
    return [_run(fields) for fields in cast("Sequence[Fields]", shipped("published.yaml")["runs"])]


def _run(fields: Fields) -> Run:
    billions, model = fields.get("billions"), fields.get("model")
    name, tokens, gpu_name = str(fields["run"]), fields.get("tokens"), fields.get("gpu")
    if tokens is None or gpu_name is None or (billions is None and model is None):
        return Run(name, fields, None, None, None)
    shape = shape_of(str(model)) if model else inferred(float(str(billions)) * 1e9, name)
    length = float(str(fields["length"]))
    work = float(str(tokens)) * 1e9 * shape.anatomy.flops(length)
    gpu = gpu_named(str(gpu_name))
    hours = fields.get("gpu_hours")
    published = None if hours is None else float(str(hours))
    mfu = None if published is None else work / (published * 3600 * gpu.flops)
    return Run(name, fields, published, hours_of(work, gpu.flops, devices=1, gpu=gpu.name), mfu)


@dataclass(frozen=True)
class Errors:
    """How far the estimate is from published runs."""

    runs: int
    median: float  # |log10 of estimated over published|
    within: float  # share of runs whose MFU lies in the range


def errors_of(runs: Sequence[Run], *, new: bool) -> Errors:
    """The errors on the runs that the frozen shares came from, or on those that were added later."""
    held = [run for run in runs if run.counts and run.new is new]
    errors = [abs(run.error) for run in held if run.error is not None]
    return Errors(len(held), statistics.median(errors), sum(run.within for run in held) / len(held))


@dataclass(frozen=True)
class Measured:
    """A published peak of memory with the estimate of it, both GiB without the driver's own."""

    what: str
    published: float
    estimated: float

    @property
    def error(self) -> float:
        """Relative to what was measured."""
        return self.estimated / self.published - 1

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return {**vars(self), "error": self.error}


def published_memory() -> list[Measured]:
    """All published peaks that come with what an estimate needs."""
    return [_measured(fields) for fields in cast("Sequence[Fields]", shipped("published.yaml")["memory"])]


def _measured(fields: Fields) -> Measured:
    method = method_of(str(fields["method"]), cast("Mapping[str, object]", fields["options"]))
    anatomy = shape_of(str(fields["model"])).anatomy
    setup = Setup(
        replace(anatomy, tied=fields.get("tied", anatomy.tied) is True),
        method,
        precision="bfloat16",
        a_logit=float(str(fields["a_logit"])),
        at_once=None,
    )
    memory = memory_of(setup, tokens=int(str(fields["tokens"])), parts=fields["parts"] is True)
    what = f"{fields['software']} {fields['model']} {fields['method']}, {fields['tokens']} tokens"
    return Measured(what, float(str(fields["gib"])), (memory.peak - memory.constant) / GIB)
