"""What contamination tells at last: benchmark by benchmark what was found, the largest overlaps, and the near-leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.data.benchmarks import Item

if TYPE_CHECKING:
    from tunesmith.data.overlap import Matches  # numba takes a second to import

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SHOWN = 20  # rows of a table
LEVELS = (0.2, 0.5, 0.8, 1.0)  # overlaps that items are counted at
TENTHS = 10


@dataclass(frozen=True)
class Compared:
    """What one shard's rows hold of the items."""

    ids: Sequence[str]
    measured: pa.BooleanArray
    found: Matches
    best: Matches  # one for each row that holds anything
    passages: Sequence[str]  # of the best
    dates: Sequence[str | None]


Shown = tuple[float, str, str, str]  # overlap, row, item, passage


@dataclass
class Tally:
    """Counts over shards that come in their order."""

    items: Sequence[Item]
    words: Ints  # of each item
    telling: Ints  # those of them that tell something
    shortest: int
    releases: Sequence[str | None]
    bound: float
    rows: int = 0
    largest: list[Shown] = field(default_factory=list)
    near: list[Shown] = field(default_factory=list)
    tenths: Counter[int] = field(default_factory=Counter)
    rows_of: Counter[str] = field(default_factory=Counter)
    dates: Counter[str] = field(default_factory=Counter)
    of_items: Floats = field(init=False)

    def __post_init__(self) -> None:
        """No item has been found yet."""
        self.of_items = np.zeros(len(self.items))

    def add(self, compared: Compared) -> None:
        """Take the rows of the next shard in."""
        best, found = compared.best, compared.found
        self.rows += len(compared.ids)
        self.dates.update(date for date in compared.dates if date)
        self.tenths.update(np.minimum(best.overlaps * TENTHS, TENTHS - 1).astype(int).tolist())
        np.maximum.at(self.of_items, found.items, found.overlaps)
        over = found.overlaps > self.bound
        pairs = zip(found.rows[over].tolist(), found.items[over].tolist(), strict=True)
        self.rows_of.update(name for _, name in {(row, self.items[item].benchmark) for row, item in pairs})
        shown = [
            (round(overlap, 4), compared.ids[row], self.items[item].place, passage)
            for overlap, row, item, passage in zip(
                best.overlaps.tolist(), best.rows.tolist(), best.items.tolist(), compared.passages, strict=True
            )
        ]
        self.largest = _top([*self.largest, *(one for one in shown if one[0] > self.bound)])
        self.near = _top([*self.near, *(one for one in shown if one[0] <= self.bound)])

    def found(self) -> Mapping[str, object]:
        """Sentences, tables, a chart and the numbers behind them."""
        shown = ["overlap", "row", "item", "passage"]
        near = f"Near-leaks: the largest overlaps up to {self.bound:g}"
        return {
            "sentences": [*self._sentences(), *self._dated()],
            "tables": [
                self._of_benchmarks(),
                {
                    "title": f"Overlaps above {self.bound:g}",
                    "columns": shown,
                    "rows": [list(one) for one in self.largest],
                },
                {"title": near, "columns": shown, "rows": [list(one) for one in self.near]},
            ],
            "charts": [
                {
                    "title": "Rows by their largest overlap, those that hold anything",
                    "labels": [f"{tenth / TENTHS:.1f}" for tenth in range(TENTHS)],
                    "counts": [self.tenths[tenth] for tenth in range(TENTHS)],
                }
            ],
            "rows": self.rows,
            "rows_with_overlap": sum(self.tenths.values()),
            "items_above": {name: self._above(name) for name in self._names()},
            "rows_above": {name: self.rows_of[name] for name in self._names()},
        }

    def _names(self) -> list[str]:
        return sorted({item.benchmark for item in self.items})

    def _above(self, name: str) -> int:
        return len(
            {
                item.row
                for item, most in zip(self.items, self.of_items, strict=True)
                if item.benchmark == name and most > self.bound
            }
        )

    def _sentences(self) -> list[str]:
        told = []
        for name in self._names():
            rows = len({item.row for item in self.items if item.benchmark == name})
            told.append(
                f"{name}: {self._above(name):,} of {rows:,} rows of the benchmark overlap beyond {self.bound:g} with "
                f"{self.rows_of[name]:,} of {self.rows:,} rows."
            )
        total, short, common = len(self.items), int(self._is_short.sum()), int(self._is_common.sum())
        if short:
            told.append(
                f"{short:,} of {total:,} texts of benchmarks have fewer than {self.shortest} words: they were sought "
                "only as the whole of a row or prompt."
            )
        if common:
            told.append(f"{common:,} of {total:,} texts of benchmarks tell nothing, since all in them is common.")
        return told

    @property
    def _is_short(self) -> NDArray[np.bool_]:
        return self.words < self.shortest

    @property
    def _is_common(self) -> NDArray[np.bool_]:
        common: NDArray[np.bool_] = (self.telling == 0) & (self.words > 0)
        return common

    def _dated(self) -> list[str]:
        dated = sum(self.dates.values())
        days = {item.benchmark: day for item, day in zip(self.items, self.releases, strict=True) if day}
        told = []
        for name, day in sorted(days.items()):
            later = sum(count for date, count in self.dates.items() if date > day and not day.startswith(date))
            share = (
                f"{later:,} of {dated:,} rows with a date ({later / dated:.1%})" if dated else "no row has a date: 0"
            )
            told.append(f"{name}, released {day}: {share} are younger; {self.rows - dated:,} rows have no date.")
        return told

    def _of_benchmarks(self) -> dict[str, object]:
        """Each field of each benchmark, with how many of its texts were found at each level."""
        groups: dict[tuple[str, str], list[int]] = {}
        for number, item in enumerate(self.items):
            groups.setdefault((item.benchmark, item.field), []).append(number)
        rows = []
        for (name, part), numbers in sorted(groups.items())[:SHOWN]:
            most = self.of_items[numbers]
            found = [int((most >= level).sum()) for level in LEVELS]
            short, common = (int(kind[numbers].sum()) for kind in (self._is_short, self._is_common))
            rows.append([name, part, len(numbers), short, common, *found])
        levels = [f"overlap {level:g} or more" if level < 1 else "overlap 1" for level in LEVELS]
        columns = ["benchmark", "field", "texts", "too short", "common only", *levels]
        return {"title": "Benchmarks", "columns": columns, "rows": rows}


def _top(shown: list[Shown]) -> list[Shown]:
    """The largest overlaps, in order of their rows where they are equal."""
    return sorted(shown, key=lambda one: -one[0])[:SHOWN]
