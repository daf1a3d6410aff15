"""`tunesmith data export`: what a list keeps, or what it dropped, as one JSON-lines or Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.core.artifact import replacing
from tunesmith.core.errors import UserError
from tunesmith.core.registry import near
from tunesmith.data.copies import repeated
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import dropped_rows
from tunesmith.run.disk import disk_errors
from tunesmith.run.reports import list_of


def export(workspace: Path, report: Mapping[str, object], name: str, to: Path, *, dropped: bool = False) -> int:
    """Write the rows of LIST or LIST.PART of a run to a file, each as often as a mix has it; gives their number."""
    list_name, _, part = name.partition(".")
    list_name, dataset = list_of(workspace, report, list_name)
    _check_part(report, list_name, part)
    write = {".jsonl": _write_jsonl, ".parquet": _write_parquet}.get(to.suffix)
    if write is None:
        raise UserError(f"{to}: {to.suffix or 'no suffix'} is not written.", "End the name in .jsonl or .parquet.")
    if dropped and part:
        raise UserError(f"{name}: dropped rows are in no part.", f"Leave .{part} out.")
    with disk_errors(to), replacing(to) as temporary:
        return write(temporary, _dropped(dataset) if dropped else _kept(dataset, part or None))


def card_of(workspace: Path, report: Mapping[str, object], name: str) -> str:
    """The dataset card of a list of a run; of its last list without a name."""
    from tunesmith.data.card import card

    found, dataset = list_of(workspace, report, name)
    return card(f"{report['run']}-{found}", dataset)


def _check_part(report: Mapping[str, object], name: str, part: str) -> None:
    parts = cast(Mapping[str, Mapping[str, Mapping[str, int]]], report["lists"])[name]["parts"]
    if part and part not in parts:
        raise UserError(
            f"the list {name!r} has no part {part!r}.", near(part, list(parts)) if parts else "It is whole."
        )


def _kept(dataset: Dataset, part: str | None) -> Iterator[pa.Table]:
    columns = [name for name in dataset.columns if name not in ("kept", "step", "why")]
    return (rows for table in dataset.tables(columns, part=part) for rows in repeated(table))


def _dropped(dataset: Dataset) -> Iterator[pa.Table]:
    """The dropped rows with the same columns throughout."""
    tables = list(dropped_rows(dataset))
    schema = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
    for table in tables:
        arrays = [
            table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ]
        yield pa.table(arrays, schema=schema)


def _write_jsonl(path: Path, tables: Iterator[pa.Table]) -> int:
    rows = 0
    with path.open("wb") as file:
        for table in tables:
            for row in table.to_pylist():
                plain = {name: value for name, value in row.items() if value is not None}
                file.write(orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE))
            rows += table.num_rows
    return rows


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> int:
    rows, writer = 0, None
    for table in tables:
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table.cast(writer.schema))
        rows += table.num_rows
    if writer is None:
        raise UserError("there is nothing to export.", "No row of this list was dropped.")
    writer.close()
    return rows
