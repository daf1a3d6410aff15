"""A data list, run: stretches, passes and verdicts, each an artifact that a rerun finds done."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import is_done
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import key_of
from tunesmith.core.record import SIGNAL
from tunesmith.data.arrays import arrow
from tunesmith.data.ask import parameters_of
from tunesmith.data.dataset import ROWS, Dataset, open_dataset, shard_path, write_shard
from tunesmith.data.op import Op
from tunesmith.data.removed import erased_digests
from tunesmith.data.settle import check_quarantine, first_of_quarantine, number_shards, settle_ids, stale_signals, unify
from tunesmith.data.stream import Measured, Stream
from tunesmith.data.stretch import VERSION as STRETCH_VERSION
from tunesmith.data.stretch import (
    Counts,
    DatasetPiece,
    Piece,
    run_stretch,
)
from tunesmith.recipe import DataList, Step
from tunesmith.recipe.grammar import Feed
from tunesmith.run.bounds import column_of, decided
from tunesmith.run.context import Context, Made, Plan, make, ref_of
from tunesmith.run.describe import describe
from tunesmith.run.fitted import fitted
from tunesmith.run.frozen import FROZEN, frozen_set
from tunesmith.run.operators import keep_seconds
from tunesmith.run.removal import without_removed
from tunesmith.run.review import review
from tunesmith.run.sources import plan_source

TEXT = "text"  # of a record, which a pass may change
ALONE = ("pass", "review")  # steps that need every row before them decided


@dataclass(frozen=True)
class Stretch:
    """Consecutive steps that are done in one pass over the rows, or one step that needs the whole stream."""

    steps: tuple[Step, ...]

    @property
    def alone(self) -> bool:
        """Whether it is one whole-stream step."""
        return self.steps[0].kind in ALONE


def stretches(steps: Sequence[Step]) -> Iterator[Stretch]:
    """The steps of a list, grouped into what runs together.

    A maker, and a signal that learns from the rows, begin anew: they see only rows kept so far.
    """
    group: list[Step] = []
    for step in steps:
        if group and (step.kind in ALONE or step.kind == "make" or step.is_fitted or group[-1].kind in ALONE):
            yield Stretch(tuple(group))
            group = []
        group.append(step)
    if group:
        yield Stretch(tuple(group))


def run_list(context: Context, data: DataList, done: Mapping[str, Dataset]) -> Dataset:
    """Run one list to its end; `done` holds the lists that it takes rows from."""
    dataset: Dataset | None = None
    groups = list(stretches(data.steps))
    if data.feed is not None and (not groups or groups[0].alone):
        dataset = _stretch(context, data, (), done)
    for group in groups:
        if group.alone:
            assert dataset is not None  # the recipe has checked that a list begins with rows
            dataset = _whole_stream(context, data, group.steps[0], dataset, done)
        else:
            dataset = _stretch(context, data, group.steps, done, dataset)
            dataset = without_removed(context.workspace, data.name, dataset)
        dataset = decided(context, data.name, group.steps, dataset)
    assert dataset is not None
    return dataset


def _stretch(
    context: Context, data: DataList, steps: Sequence[Step], done: Mapping[str, Dataset], before: Dataset | None = None
) -> Dataset:
    pieces, content, inputs = _input(context, data, steps, done, before)
    feed, part = _fed(data, done, before), _part(data, before)
    models = {step.label: fitted(context, data.name, step, feed, part) for step in steps if step.is_fitted}
    ops = ops_of(steps, {label: {"model": str(folder)} for label, folder in models.items()})
    origins = [_origin(step) for step in steps if step.kind == "source"]
    facts = {"content": content, "steps": [describe(step) for step in steps], "part": part}
    facts |= {"origins": origins} if origins else {}
    erased = erased_digests(context.workspace, [step.label for step in steps if step.kind == "source"], data.name)
    facts |= {"erased": erased} if erased else {}
    inputs |= {f"model {label}": ref_of(folder) for label, folder in models.items()}
    plan = Plan("dataset", data.name, "stretch", STRETCH_VERSION, facts, inputs)  # no seed: nothing in it is drawn

    def work(out: Path) -> Made:
        total = Counts()
        parts: list[int] = []
        for tasks, counts, seconds in run_stretch(
            pieces, ops, out, executor=context.executor, erased=frozenset(erased)
        ):
            total += counts
            parts.append(counts.shards)
            if seconds:
                keep_seconds(context.workspace, plan.key, seconds)
            context.show.progress(f"read {data.name}", len(parts), tasks, {"records": total.read})
        check_quarantine(total, out, context.recipe.quarantine)
        shards = number_shards(out, parts)
        columns = unify(out, shards)
        if steps and steps[0].kind == "source":
            _check_some(steps[0], total, out)
            settle_ids(out, shards)
        stale = stale_signals(ops, columns, before=_columns(pieces))
        facts = {"shards": shards, "columns": columns, "stale": stale, "sources": total.sources, "origins": origins}
        return Made(_counts(total), total.licenses, facts)

    return open_dataset(make(context, plan, work))


def ops_of(steps: Sequence[Step], also: Mapping[str, Mapping[str, object]] | None = None) -> list[Op]:
    """The operations of steps; `also` are parameters that the engine adds, by label."""
    given = also or {}
    return [
        Op(step.kind, step.function, step.label, {**step.parameters, **given.get(step.label, {})}, step.on)  # type: ignore[arg-type]  # sources are left out
        for step in steps
        if step.kind != "source"
    ]


def _origin(source: Step) -> dict[str, object]:
    """What the recipe says about where rows come from."""
    known = {"source": source.label, "reader": source.function.name, "path": source.parameters.get("path")}
    return {**known, "domain": source.domain, "license": source.license, **source.facts}


def _check_some(source: Step, total: Counts, out: Path) -> None:
    if total.read == total.quarantined:
        path = f" in {source.parameters['path']}" if "path" in source.parameters else ""
        why = f": {told}" if (told := first_of_quarantine(out)) else ""
        raise UserError(f"{source.where}: there is not one record to read{path}{why}.", "Give it input with records.")


def _columns(pieces: Sequence[Piece]) -> Sequence[str]:
    """The columns of the dataset that the pieces are of; none if they are a source's."""
    first = next(iter(pieces), None)
    return first.dataset.columns if isinstance(first, DatasetPiece) else ()


def _part(data: DataList, before: Dataset | None) -> str | None:
    return data.feed.part if data.feed and before is None else None


def _fed(data: DataList, done: Mapping[str, Dataset], before: Dataset | None) -> Dataset | None:
    """The dataset whose rows a stretch takes; None if it begins with sources."""
    return before or (done[data.feed.name] if data.feed else None)


def _input(
    context: Context, data: DataList, steps: Sequence[Step], done: Mapping[str, Dataset], before: Dataset | None
) -> tuple[list[Piece], list[str], dict[str, str]]:
    """The pieces a stretch reads, a fingerprint of what sources hold, and the dataset it is fed from."""
    feed = _fed(data, done, before)
    if feed is None:
        planned = [plan_source(context, step) for step in steps if step.kind == "source"]
        return [piece for pieces, _ in planned for piece in pieces], [content for _, content in planned], {}
    part = _part(data, before)
    pieces: list[Piece] = [DatasetPiece(feed, shard, part) for shard in range(feed.shards)]
    return pieces, [], {ROWS: ref_of(feed.folder)}


def _counts(total: Counts) -> dict[str, object]:
    return {
        "in": total.read,
        "made": total.made,
        "kept": total.written,
        "dropped": dict(total.dropped),
        "quarantined": total.quarantined,
    }


def _whole_stream(
    context: Context, data: DataList, step: Step, dataset: Dataset, done: Mapping[str, Dataset]
) -> Dataset:
    if step.kind == "review":
        return review(context, data.name, step, dataset)
    inputs = {ROWS: ref_of(dataset.folder)}
    feeds = {name: value for name, value in step.parameters.items() if isinstance(value, Feed)}
    inputs |= {name: ref_of(done[feed.name].folder) for name, feed in feeds.items()}
    frozen = frozen_set(context, step, dataset)
    inputs |= {FROZEN: ref_of(frozen)} if frozen and is_done(frozen) else {}
    module = step.function.module()
    facts = describe(step)
    if getattr(module, "READS_BOUNDS", False):  # what it measures depends on where the bound lies
        facts["keep"] = {name: bound.as_json() for name, bound in step.keep.items()}
    plan = Plan("dataset", data.name, f"pass {step.function.name}", 1, facts, inputs, context.recipe.seed)
    cache = context.workspace / "cache" / "passes"

    def work(out: Path) -> Made:
        scratch = out / "scratch.tmp"

        def stream(rows: Dataset, part: str | None) -> Stream:
            place = cache / key_of([ref_of(rows.folder), part, context.recipe.seed])
            return Stream(rows, context.executor, scratch, context.recipe.seed, part, step.keep, place)

        scratch.mkdir(exist_ok=True)
        others: dict[str, object] = {name: stream(done[feed.name], feed.part) for name, feed in feeds.items()}
        others |= {FROZEN: str(frozen)} if frozen else {}
        parameters = parameters_of(step.function, {**step.parameters, **others})
        measured = _Measured(cast(Measured, step.function.load()(stream(dataset, None), **parameters)))
        if getattr(module, "WRITES_ROWS", False):
            facts = _write_base(context, step, dataset, measured, out)
        else:
            columns = _write_layer(context, step, dataset, measured, out)
            stale = [name for name in dataset.columns if name.startswith(SIGNAL)] if TEXT in columns else []
            facts = {"columns": columns, "stale": stale}
        shutil.rmtree(scratch)
        return Made({}, {}, {**facts, "found": measured.found or {}})

    return open_dataset(make(context, plan, work, scratch=True))


@dataclass
class _Measured:
    """The tables of a pass, and, once they have all come, what it found."""

    tables: Measured
    found: Mapping[str, object] | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        self.found = yield from self.tables


def _write_layer(context: Context, step: Step, dataset: Dataset, measured: Iterable[pa.Table], out: Path) -> list[str]:
    """Write what a pass measured on the kept rows, aligned with all rows of the base."""
    columns: list[str] = []
    shards = range(dataset.shards)
    for shard, table in zip(shards, measured, strict=True):
        kept = pc.fill_null(dataset.read(shard, ["kept"], kept=False)["kept"].combine_chunks(), True)
        columns = [column_of(step, name) for name in table.column_names]
        aligned = table.rename_columns(columns)
        stays = kept.to_numpy(zero_copy_only=False)
        if int(stays.sum()) != table.num_rows:
            raise ValueError(f"{step.label} measured {table.num_rows} rows of shard {shard}, which keeps {stays.sum()}")
        if not stays.all():
            places = pc.if_else(kept, arrow(np.cumsum(stays) - 1), pa.nulls(len(stays), pa.int64()))
            aligned = aligned.take(places)
            if TEXT in columns:  # rows that were dropped before keep theirs, for whoever looks at them
                had = dataset.read(shard, [TEXT], kept=False)[TEXT].cast(pa.string())
                aligned = aligned.set_column(columns.index(TEXT), TEXT, pc.if_else(kept, aligned[TEXT], had))
        write_shard(shard_path(out, shard), aligned)
        context.show.progress(step.label, shard + 1, dataset.shards, {})
    return columns


def _write_base(
    context: Context, step: Step, dataset: Dataset, rows: Iterable[pa.Table], out: Path
) -> dict[str, object]:
    """Write the rows that a pass put in a new order as a base of their own; none may come or go."""
    shards = written = 0
    columns: list[str] = []
    for table in rows:
        columns = list(table.column_names)
        write_shard(shard_path(out, shards), table)
        shards, written = shards + 1, written + table.num_rows
        context.show.progress(step.label, shards, max(shards, dataset.shards), {})
    if written != dataset.count():
        raise ValueError(f"{step.label} wrote {written} rows of {dataset.count()}")
    return {"columns": columns, "shards": shards}
