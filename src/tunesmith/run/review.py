"""A round of human review as a CSV that goes out and comes back; the run waits for it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa

from tunesmith.core.artifact import is_done, replacing
from tunesmith.core.errors import UserError, Waiting
from tunesmith.core.hashing import unit_interval
from tunesmith.data.dataset import ROWS, Dataset, open_dataset, shard_path, write_shard
from tunesmith.recipe import Step
from tunesmith.run.context import Context, Made, Plan, make, ref_of

VERDICTS = ("keep", "drop")
COLUMNS = ("id", "verdict", "note", "reviewer", "text")
ROUND = "round.csv"


def review(context: Context, name: str, step: Step, dataset: Dataset) -> Dataset:
    """The dataset with people's verdicts as a layer; raises Waiting while the round is open."""
    plan = Plan(
        "review", step.label, "review", 1, {"sample": step.sample}, {ROWS: ref_of(dataset.folder)}, context.recipe.seed
    )
    folder = plan.folder(context.workspace)
    if not is_done(folder):
        _open_round(dataset, folder, step.sample or 0, context.recipe.seed)
    verdicts = _read_round(folder / ROUND)
    make(context, plan, lambda out: _close(out, verdicts))
    return _layer(context, name, step, dataset, plan, {row["id"]: row for row in verdicts})


def _open_round(dataset: Dataset, folder: Path, sample: int, seed: int) -> None:
    path = folder / ROUND
    if path.exists():
        return
    columns = [column for column in ("text", "messages", "chosen", "rejected") if column in dataset.columns]
    rows = [row for table in dataset.tables(["id", *columns]) for row in table.to_pylist()]
    rows.sort(key=lambda row: unit_interval([str(seed), str(row["id"])]))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows[:sample]:
            shown = row.get("text") or json.dumps({c: row[c] for c in columns if row[c]}, ensure_ascii=False)
            writer.writerow([row["id"], "", "", "", shown])


def _read_round(path: Path) -> list[dict[str, str]]:
    """The verdicts of a round; raises Waiting while some are missing, UserError for one that is no verdict."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, 2):
        row["verdict"] = (row.get("verdict") or "").strip().lower()
        if row["verdict"] not in ("", *VERDICTS):
            raise UserError(f"{path}, line {number}: {row['verdict']!r} is no verdict.", "Write keep or drop.")
    missing = sum(not row["verdict"] for row in rows)
    if missing:
        raise Waiting(
            f"{missing:,} of {len(rows):,} records wait for a person's verdict.",
            f"Write keep or drop in the column verdict of {path}, then run the recipe again.",
        )
    return rows


def _close(out: Path, verdicts: list[dict[str, str]]) -> Made:
    columns = {name: pa.array([row.get(name) or "" for row in verdicts], pa.string()) for name in COLUMNS[:-1]}
    write_shard(out / "verdicts.parquet", pa.table(columns))
    counts = {verdict: sum(row["verdict"] == verdict for row in verdicts) for verdict in VERDICTS}
    return Made(counts, {}, {"records": len(verdicts), "reviewers": sorted({row["reviewer"] for row in verdicts})})


def _layer(
    context: Context, name: str, step: Step, dataset: Dataset, round_plan: Plan, verdicts: dict[str, dict[str, str]]
) -> Dataset:
    inputs = {ROWS: ref_of(dataset.folder), "review": round_plan.ref}
    digest = sorted((row_id, row["verdict"]) for row_id, row in verdicts.items())
    plan = Plan("dataset", name, "review", 1, {"verdicts": digest}, inputs)
    column = f"signal.{step.label}.verdict"

    def work(out: Path) -> Made:
        for shard in range(dataset.shards):
            ids = dataset.read(shard, ["id"], kept=False)["id"].to_pylist()
            given = [verdicts[row_id]["verdict"] if row_id in verdicts else None for row_id in ids]
            write_shard(shard_path(out, shard), pa.table({column: pa.array(given, pa.string())}))
        return Made({}, {}, {"columns": [column]})

    return open_dataset(make(context, plan, work))
