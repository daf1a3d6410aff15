"""A round of human review as a CSV that goes out and comes back; the run waits for it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import MANIFEST, damaged, is_done, replacing
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
    path = folder / ROUND
    if is_done(folder):
        _check_closed(folder)
    elif not path.exists():
        _open_round(dataset, path, _drawn(dataset, step.sample or 0, context.recipe.seed))
    verdicts = _read_round(path, _drawn(dataset, step.sample or 0, context.recipe.seed))
    make(context, plan, lambda out: _close(out, verdicts))
    return _layer(context, name, step, dataset, plan, {row["id"]: row for row in verdicts})


def _check_closed(folder: Path) -> None:
    if damaged(folder):
        raise UserError(
            f"{folder / ROUND} was changed after its round had closed.",
            f"Put it back, or delete {folder / MANIFEST} to close the round with what it says now.",
        )


def _drawn(dataset: Dataset, sample: int, seed: int) -> list[str]:
    """The ids of the records that people see, in the order shown."""
    ids = [row_id for table in dataset.tables(["id"]) for row_id in table["id"].to_pylist()]
    return sorted(ids, key=lambda row_id: unit_interval([str(seed), row_id]))[:sample]


def _open_round(dataset: Dataset, path: Path, drawn: list[str]) -> None:
    columns = [column for column in ("text", "messages", "chosen", "rejected") if column in dataset.columns]
    rows = {
        str(row["id"]): row
        for table in dataset.tables(["id", *columns])
        for row in table.filter(pc.is_in(table["id"], pa.array(drawn, pa.string()))).to_pylist()
    }
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row_id in drawn:
            row = rows[row_id]
            shown = row.get("text") or json.dumps({c: row[c] for c in columns if row[c]}, ensure_ascii=False)
            writer.writerow([row_id, "", "", "", shown])


def _read_round(path: Path, drawn: list[str]) -> list[dict[str, str]]:
    """The verdicts of a round; raises Waiting while some are missing, UserError where the file is not as it was."""
    rows = _rows_of(path)
    for number, row in enumerate(rows, 2):
        row["verdict"] = (row["verdict"] or "").strip().lower()
        if row["verdict"] not in ("", *VERDICTS):
            raise UserError(f"{path}, row {number}: {row['verdict']!r} is no verdict.", "Write keep or drop.")
    given = Counter(row["id"] for row in rows)
    if given != Counter(drawn):
        gone, more = sorted(set(drawn) - set(given)), sorted(given - Counter(drawn))
        what = (
            f"{len(gone)} of {len(drawn)} records are gone"
            if gone
            else f"{more[0]!r} is not of this round, or stands there twice"
        )
        raise UserError(f"{path}: {what}.", "Only verdict, note and reviewer are yours to fill in; delete no row.")
    missing = sum(not row["verdict"] for row in rows)
    if missing:
        raise Waiting(
            f"{missing:,} of {len(rows):,} records wait for a person's verdict.",
            f"Write keep or drop in the column verdict of {path}, then run the recipe again.",
        )
    return rows


def _rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a round as a spreadsheet may have saved it: with a byte order mark, with semicolons or tabs."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}).", "Save it as CSV UTF-8.") from None
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    lacking = [name for name in COLUMNS[:-1] if name not in (reader.fieldnames or ())]
    if lacking:
        raise UserError(f"{path}: there is no column {lacking[0]!r}.", f"Columns: {', '.join(COLUMNS)}.")
    return list(reader)


def _close(out: Path, verdicts: list[dict[str, str]]) -> Made:
    columns = {name: pa.array([row.get(name) or "" for row in verdicts], pa.string()) for name in COLUMNS[:-1]}
    write_shard(out / "verdicts.parquet", pa.table(columns))
    counts = {verdict: sum(row["verdict"] == verdict for row in verdicts) for verdict in VERDICTS}
    return Made(
        counts, {}, {"records": len(verdicts), "reviewers": sorted({row["reviewer"] or "" for row in verdicts})}
    )


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
