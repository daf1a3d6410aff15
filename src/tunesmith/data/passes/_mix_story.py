"""What a mix tells: the shares asked for beside those it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.passes._shares import Pool
from tunesmith.data.passes._supply import Supply

COLUMNS = (
    "share of", "asked", "realised", "records there", "records drawn", "copies", "{unit} there", "{unit} in the mix",
    "epochs",
)  # fmt: skip

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """What a mix drew of each pool: records, copies of them, and units in those."""

    records: Ints
    copies: Ints
    units: Ints
    left_out: int  # records, of all pools and of none
    most: int  # copies of one record

    def __add__(self, other: Drawn) -> Drawn:
        return Drawn(
            self.records + other.records,
            self.copies + other.copies,
            self.units + other.units,
            self.left_out + other.left_out,
            max(self.most, other.most),
        )


def drawn_of(pools: Ints, units: Ints, copies: Ints, *, number_of_pools: int) -> Drawn:
    """What was drawn of the rows of a shard."""
    records, repeated, given = (np.zeros(number_of_pools, np.int64) for _ in range(3))
    here = copies > 0
    np.add.at(records, pools[here], 1)
    np.add.at(repeated, pools[here], copies[here])
    np.add.at(given, pools[here], copies[here] * units[here])
    return Drawn(records, repeated, given, int((~here).sum()), int(copies.max(initial=0)))


def story(supply: Supply, drawn: Drawn, pools: Sequence[Pool], unit: str, counted: str) -> Mapping[str, object]:
    """The found of a mix: sentences, and a table of asked against realised."""
    whole = int(drawn.units.sum())
    rows = [
        [
            pool.name,
            round(pool.share, 4),
            round(int(drawn.units[n]) / whole, 4) if whole else 0.0,
            *(int(counts[n]) for counts in (supply.documents, drawn.records, drawn.copies, supply.units, drawn.units)),
            round(int(drawn.units[n]) / int(supply.units[n]), 3) if supply.units[n] else 0.0,
        ]
        for n, pool in enumerate(pools)
    ]
    furthest = max((abs(float(row[2]) - float(row[1])) for row in rows), default=0.0)  # type: ignore[arg-type]  # shares
    documents = int(supply.documents.sum()) + supply.unknown.total()
    sentences = [
        f"The mix has {whole:,} {unit} in {int(drawn.copies.sum()):,} records, drawn from {documents:,}; "
        f"no record is in it more than {drawn.most} times.",
        f"{drawn.left_out:,} of {documents:,} records are left out.",
        f"The share that is furthest from what was asked is {furthest:.4f} away (of {len(pools)} shares).",
        counted,
    ]
    if left := supply.unknown.total():
        sentences.append(f"{left:,} records are left out because no share is for them.")
    columns = [name.format(unit=unit) for name in COLUMNS]
    return {
        "sentences": sentences,
        "tables": [{"title": "Shares asked and realised", "columns": columns, "rows": rows}],
    }
