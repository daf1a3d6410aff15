"""What `tunesmith check` finds in the first rows: unreadable sources, and bounds that drop more than half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import cast

import pyarrow as pa

from tunesmith.core.record import SIGNAL
from tunesmith.core.registry import near
from tunesmith.costs.sensible import sensible
from tunesmith.costs.shapes import SCRATCH
from tunesmith.data.files import File
from tunesmith.data.measure import apply
from tunesmith.data.rows import to_batch
from tunesmith.data.stretch import rows_of
from tunesmith.data.verdicts import failing
from tunesmith.recipe import DataList, Recipe, Step
from tunesmith.run.bounds import rules_of
from tunesmith.run.lists import ALONE, ops_of
from tunesmith.run.sources import pieces_of

FIRST_ROWS = 1000
ALMOST_NEVER = "That is almost never sensible; to go on with an existing one costs less."
HALF = 0.5


def probe(recipe: Recipe) -> Iterator[str]:
    """A warning for each bound that would drop more than half of the first 1,000 rows of its list.

    Only steps before the first pass are tried. Raises UserError for a source that cannot be read.
    """
    for data in recipe.data.values():
        if data.feed is None:
            yield from _probe_list(recipe, data)


def told(recipe: Recipe) -> Iterator[str]:
    """What sources that recognise formats take their first file for, and why; and what pre-training asks for."""
    for trained in recipe.train:
        if trained.trainer.name == "pretrain" and trained.start.startswith(SCRATCH):
            asks = "; ".join(f"{one.name}: {one.asks}" for one in sensible().conditions)
            yield f"{trained.where}: pre-trains a new model. {ALMOST_NEVER} It asks for {asks} (tunesmith estimate)."
    for step in (step for data in recipe.data.values() for step in data.steps if step.kind == "source"):
        module = step.function.module()
        for piece in pieces_of(recipe, step)[:1] if hasattr(module, "recognised") else []:
            file = cast(File, piece.piece)
            found = module.recognised(file)
            yield f"{step.where}: {file.uri} is read as {found.format}: {found.why}."


def before_passes(data: DataList) -> list[Step]:
    """The steps of a list that need no other row: those before its first pass, maker or fitted signal."""
    return list(takewhile(lambda step: step.kind not in (*ALONE, "make") and not step.is_fitted, data.steps))


def first_rows(recipe: Recipe, data: DataList) -> tuple[pa.RecordBatch, bool]:
    """The first 1,000 rows of a list as its edits before any pass leave them, and whether the sources have no more."""
    steps = [step for step in before_passes(data) if step.kind != "signal"]
    sources = [step for step in steps if step.kind == "source"]
    batch = _first_rows(recipe, sources)
    return apply(batch, ops_of(steps)).batch, batch.num_rows < FIRST_ROWS // len(sources)


def _probe_list(recipe: Recipe, data: DataList) -> Iterator[str]:
    steps = before_passes(data)
    batch = _first_rows(recipe, [step for step in steps if step.kind == "source"])
    if not batch.num_rows:
        yield f"data.{data.name}: none of the first rows could be read; the run will say why."
        return
    yield from _licences(steps, batch)
    measured = apply(batch, ops_of(steps))
    if measured.batch.num_rows:
        yield from _warnings(steps, pa.Table.from_batches([measured.batch]))


def _first_rows(recipe: Recipe, sources: Sequence[Step]) -> pa.RecordBatch:
    share = -(-FIRST_ROWS // len(sources))
    batches = []
    for step in sources:
        pieces = [replace(piece, rows=share) for piece in pieces_of(recipe, step)]
        rows = list(islice((row for piece in pieces for row in rows_of(piece)), share))
        batches.append(to_batch(rows, source=step.label, domain=step.domain, license=step.license)[0])
    tables = [pa.Table.from_batches([batch]) for batch in batches if batch.num_rows] or [
        pa.Table.from_batches(batches[:1])
    ]
    joined = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    return joined.to_batches()[0] if joined.num_rows else batches[0]


def _licences(steps: Sequence[Step], batch: pa.RecordBatch) -> Iterator[str]:
    """A warning for each source whose rows, or some of them, have no licence."""
    known = batch["license"].is_valid().to_pylist() if "license" in batch.schema.names else [False] * batch.num_rows
    sources = batch["source"].to_pylist()
    for step in (step for step in steps if step.kind == "source"):
        unknown = sum(not flag for flag, source in zip(known, sources, strict=True) if source == step.label)
        if unknown:
            whole = sources.count(step.label)
            rows = "the licence of its rows is" if unknown == whole else f"{unknown:,} of {whole:,} rows have a licence"
            yield f"{step.where}: {rows} unknown. Name it as license: with its SPDX identifier, such as CC-BY-4.0."


def _warnings(steps: Sequence[Step], rows: pa.Table) -> Iterator[str]:
    where = {step.label: step.where for step in steps}
    for rule in rules_of(steps):
        if rule.weight is not None or rule.bound.quantiles:
            continue
        if rule.column not in rows.column_names:
            known = sorted(name.removeprefix(SIGNAL) for name in rows.column_names if name.startswith(SIGNAL))
            yield f"{where[rule.step]}: {rule.column.removeprefix(SIGNAL)} was not measured. {near(rule.step, known)}"
            continue
        share = float(failing(rows[rule.column], rule.bound).mean())
        if share > HALF:
            yield f"{where[rule.step]}: '{rule.bound}' would drop {share:.0%} of the first {rows.num_rows:,} rows."
