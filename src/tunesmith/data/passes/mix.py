"""A mix of domains in given shares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import UserError
from tunesmith.core.record import COLUMNS, SIGNAL, LocalPath
from tunesmith.data.arrays import arrow, load_array
from tunesmith.data.passes._draw import Levels, levels_for, rows_of
from tunesmith.data.passes._mix_story import Drawn, drawn_of, story
from tunesmith.data.passes._shares import Pool, pool_numbers, pools_of
from tunesmith.data.passes._supply import Supply, check_known, nothing, supply_of, targets_of
from tunesmith.data.passes._units import Unit, tokenizer_of, told_unit, units_of
from tunesmith.data.stream import Measured, Rows, Stream
from tunesmith.data.texts import NEEDED

VERSION = 1
MEASURES = ("copies",)
KEEP = {"copies": {"min": 1}}


def check(*, shares: Mapping[str, float] | str, **given: object) -> None:
    """Raise UserError if the shares are no division of a whole, or another parameter will not do."""
    pools_of(shares)
    unit, total, epochs = given.get("unit", "tokens"), given.get("total"), given.get("epochs", 4)
    if isinstance(total, int) and total < 1:
        raise UserError(f"mix: a total of {total} {unit} is no mix.", "Leave total: out for the largest mix.")
    if isinstance(epochs, int | float) and not 0 < epochs < math.inf:
        raise UserError(f"mix: epochs: {epochs:g} draws nothing.", "For example epochs: 4.")
    if given.get("tokenizer") is not None and unit != "tokens":
        raise UserError(f"mix: a tokenizer does not count {unit}.", "Leave tokenizer: out, or take unit: tokens.")


def mix(
    stream: Stream,
    *,
    shares: Mapping[str, float] | str,
    by: str = "domain",
    unit: Unit = "tokens",
    total: int | None = None,
    epochs: float = 4,
    tokenizer: LocalPath | None = None,
    rest: Literal["error", "drop"] = "error",
) -> Measured:
    """How often a mix of these shares has each record: `copies`, 0 for one that is left out.

    A share is for one domain, for several together ("books, articles") or for all others ("*"); a name stands for the
    shares of a mix that comes along (pretraining). `by` is a column of the record, or a signal such as language. Tokens
    are counted by the `tokenizer` (a tokenizer.json), without one as a quarter of the bytes of UTF-8. Without `total`
    the mix is as large as it can be: no record is drawn in more than `epochs` copies on average, because up to 4 epochs
    are worth nearly as much as new data (Muennighoff et al. 2023, arXiv 2305.16264). What is drawn follows from the
    seed and the ids, in proportion to the weights that weigh: gave, which are used up by it. A record that no share is
    for is a mistake, or left out with rest: drop.
    """
    check(shares=shares, unit=unit, total=total, epochs=epochs, tokenizer=tokenizer)
    pools = pools_of(shares)
    if tokenizer is not None:
        tokenizer_of(tokenizer)  # told now if it is none
    column = by if by in COLUMNS or by.startswith(SIGNAL) else f"{SIGNAL}{by}"
    files = [stream.scratch / f"{shard:05d}.npy" for shard in stream.shards]
    scan = _Scan(stream.rows, column, pools, unit, tokenizer, stream.seed, stream.scratch)
    supply = sum(stream.executor.map(scan, stream.shards, lane="threads"), nothing(len(pools)))
    if rest == "error":
        check_known(supply, by)
    targets = targets_of(supply, pools, total, epochs, unit)
    most = math.ceil(epochs)
    levels = levels_for(stream.executor, files, targets, most / supply.lightest, most)
    drawn = None
    for table, some in stream.executor.map(_Copies(levels, len(pools)), files, lane="threads"):
        drawn = some if drawn is None else drawn + some
        yield table
    assert drawn is not None  # a list without rows has no targets
    return story(supply, drawn, pools, unit, told_unit(unit, tokenizer))


@dataclass(frozen=True)
class _Scan:
    """Writes what the draw has to know of a shard's rows; gives what there is of each pool."""

    rows: Rows
    column: str
    pools: tuple[Pool, ...]
    unit: Unit
    tokenizer: str | None
    seed: int
    folder: Path

    def __call__(self, shard: int) -> Supply:
        texts = () if self.unit == "documents" else NEEDED
        table = self.rows.read(shard, list(dict.fromkeys(["id", self.column, "weight", *texts])))
        values = table[self.column].cast(pa.string())
        numbers = pool_numbers(values, self.pools)
        weights = pc.fill_null(table["weight"].cast(pa.float64()), 1.0).to_numpy()
        if not ((weights >= 0) & np.isfinite(weights)).all():
            raise UserError("mix: a record has a weight below 0, or one that is no number.", "A weight is 0 or more.")
        units = units_of(table, self.unit, self.tokenizer)
        rows = rows_of(table["id"].to_pylist(), numbers, weights, units, self.seed)
        np.save(self.folder / f"{shard:05d}.npy", rows)
        unknown = Counter(values.filter(arrow(numbers < 0)).to_pylist())
        return supply_of(numbers, units, weights, unknown, number_of_pools=len(self.pools))


@dataclass(frozen=True)
class _Copies:
    """How often each row of a shard is drawn, and what that makes of each pool."""

    levels: Levels
    number_of_pools: int

    def __call__(self, file: Path) -> tuple[pa.Table, Drawn]:
        rows = load_array(file)
        copies = self.levels.copies(rows)
        used_up = pa.nulls(len(rows), pa.float64())  # what was drawn by weight is not weighed again
        table = pa.table([arrow(copies), used_up], names=[*MEASURES, "weight"])
        return table, drawn_of(rows["pool"], rows["units"], copies, number_of_pools=self.number_of_pools)
