"""Whether rows that are scored also stand among those trained on: scores are shown on the clean part as well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from tunesmith.core.artifact import write_json
from tunesmith.core.bound import Bound, parse_bound
from tunesmith.data.dataset import Dataset
from tunesmith.data.texts import NEEDED, texts_of
from tunesmith.models.rows import chat_of, prompt_of
from tunesmith.run.context import Context, Made, Plan, make, ref_of

CLEAN = "clean"  # the slice of the rows that stand nowhere in training
Row = Mapping[str, object]


@dataclass(frozen=True)
class TrainOverlap:
    """For each row that is scored, the largest share of it that one row trained on covers, and that row's id."""

    overlaps: Sequence[float]
    found_in: Sequence[str | None]
    bound: Bound

    @property
    def clean(self) -> list[bool]:
        """Which rows stand nowhere in training, as the bound has it."""
        return [self.bound.fault(overlap) is None for overlap in self.overlaps]

    @property
    def counts(self) -> tuple[int, int]:
        """How many rows overlap rows trained on, and how many there are."""
        return len(self.overlaps) - sum(self.clean), len(self.overlaps)


def train_overlap(
    context: Context, rows: Sequence[Row], on: Dataset, lists: Mapping[str, Dataset]
) -> TrainOverlap | None:
    """What of these rows stands among the rows trained on; None where nothing is trained."""
    from tunesmith.data.passes import contamination

    trained = sorted({name for step in context.recipe.train for name in step.lists})
    if not trained:
        return None
    bound = parse_bound(contamination.KEEP["overlap"], "contamination.KEEP")
    inputs = {"rows": ref_of(on.folder), **{f"data {name}": ref_of(lists[name].folder) for name in trained}}
    ids = [str(row["id"]) for row in rows]
    plan = Plan("report", "overlap", "overlap", contamination.VERSION, {"ids": ids}, inputs)

    def work(out: Path) -> Made:
        from tunesmith.data.overlap import overlaps_of_items

        items = [(str(row["id"]), _asked(row)) for row in rows]
        found = overlaps_of_items(items, (part for name in trained for part in _trained(lists[name])))
        write_json(out / "overlap.json", {"rows": [{"overlap": each.overlap, "row": each.row} for each in found]})
        return Made({"rows": len(rows)})

    with context.timed("overlap with training"):
        folder = make(context, plan, work)
    found = cast("list[Row]", json.loads((folder / "overlap.json").read_text("utf-8"))["rows"])
    return TrainOverlap(
        [float(cast(float, each["overlap"])) for each in found],
        [None if each["row"] is None else str(each["row"]) for each in found],
        bound,
    )


def _asked(row: Row) -> str:
    """What is looked for of a scored row: its question, or the whole of a document."""
    return prompt_of(chat_of(row)) if row.get("messages") else str(row.get("text") or "")


def _trained(dataset: Dataset) -> Iterator[tuple[list[str], pa.StringArray]]:
    """The ids and texts of the rows trained on, shard by shard: whole, and prompts alone, as a short item is one."""
    for table in dataset.tables(["id", *NEEDED], part="train"):
        ids = table["id"].to_pylist()
        yield ids, texts_of(table)
        yield ids, texts_of(table, "prompt")
