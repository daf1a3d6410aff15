"""Where records lie in a workspace: by id, with the records made from them and those equal to them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.artifact import MANIFEST, Manifest, read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import hash128
from tunesmith.data.dataset import Dataset, open_dataset, read_shard, shard_path
from tunesmith.run.context import ref_of
from tunesmith.run.serving import trained_on

EQUAL_IDS = "equal_ids.npy"  # of a base: rows equal to an earlier one of their source
Places = dict[Path, dict[int, list[int]]]  # base -> shard -> rows
Row = Mapping[str, object]


def read_ids(path: Path) -> list[str]:
    """The ids in a file: one a line, or the column or field `id` of a CSV or JSON-lines file."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"there is no file {path}.", "Name a file with one id a line.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from None
    if path.suffix in (".jsonl", ".json"):
        found = [json.loads(line).get("id") for line in text.splitlines() if line.strip()]
    elif path.suffix == ".csv" or "," in text.partition("\n")[0]:
        found = [row.get("id") for row in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        found = [line.strip() for line in text.splitlines()]
    ids = [str(one).strip() for one in found if one]
    wrong = next((one for one in ids if len(one) != 32 or set(one) - set("0123456789abcdef")), None)
    if wrong is not None or not ids:
        what = f"{wrong!r} is no id" if wrong else "there is no id in it"
        raise UserError(f"{path}: {what}.", "An id has 32 digits, as in reports and in data export.")
    return list(dict.fromkeys(ids))


def finished(workspace: Path, kind: str = "datasets") -> list[Path]:
    """The finished artifacts of a kind, sorted."""
    return [path.parent for path in sorted((workspace / kind).glob(f"*/*/{MANIFEST}"))]


def bases(workspace: Path) -> list[Path]:
    """The datasets that hold rows of their own."""
    return [folder for folder in finished(workspace) if "shards" in read_manifest(folder).facts]


def places_of(workspace: Path, ids: Collection[str]) -> Places:
    """Where rows of these ids lie."""
    wanted = pa.array(sorted(ids), pa.string())
    found: Places = {}
    for base in bases(workspace):
        for shard in range(open_dataset(base).shards):
            column = read_shard(shard_path(base, shard), ["id"])["id"].combine_chunks()
            rows = pc.indices_nonzero(pc.is_in(column, value_set=wanted)).to_pylist()
            if rows:
                found.setdefault(base, {})[shard] = rows
    return found


def with_equals(workspace: Path, ids: Collection[str]) -> set[str]:
    """These ids, with those of equal records of the same source: they hold the same content."""
    known = set(ids)
    return known.union(*(_equals(base, known) for base in bases(workspace)))


def with_children(workspace: Path, ids: Collection[str]) -> set[str]:
    """These ids, with those of records made from them, at any remove."""
    known, size = set(ids), -1
    while size != len(known):
        size = len(known)
        for base in bases(workspace):
            known |= _children(base, known)
    return known


def _equals(base: Path, ids: set[str]) -> set[str]:
    path = base / EQUAL_IDS
    if not path.is_file():
        return set()
    groups: dict[str, set[str]] = {}
    for entry in np.load(path):
        first = entry["id"].decode()
        groups.setdefault(first, {first}).add(hash128([first, str(entry["ordinal"])]).hex())
    return set().union(*(group for group in groups.values() if group & ids))


def _children(base: Path, ids: set[str]) -> set[str]:
    if "parents" not in cast(list[str], read_manifest(base).facts["columns"]):
        return set()
    wanted = pa.array(sorted(ids), pa.string())
    found: set[str] = set()
    for shard in range(open_dataset(base).shards):
        table = read_shard(shard_path(base, shard), ["id", "parents"])
        parents = table["parents"].combine_chunks()
        if pa.types.is_null(parents.type):
            continue
        hits = pc.is_in(pc.list_flatten(parents), value_set=wanted)
        rows = pc.unique(pc.list_parent_indices(parents).filter(hits))
        found.update(table["id"].take(rows).to_pylist())
    return found


def rows_at(base: Path, places: Mapping[int, list[int]]) -> list[Row]:
    """The rows of a base at these places: where they came from, and no text."""
    dataset = open_dataset(base)
    columns = ["id", "source", "license", "parents", "origin"]
    found: list[Row] = []
    for shard, rows in places.items():
        table = Dataset(dataset.layers[:1], dataset.shards).read(shard, columns, kept=False)
        found += table.take(pa.array(rows, pa.int64())).to_pylist()
    return found


def quarantined(folder: Path) -> Iterator[tuple[Path, list[Row]]]:
    """The quarantine files of an artifact with their rows."""
    for path in sorted((folder / "quarantine").glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            yield path, [json.loads(line) for line in file]


def replaced(base: Path) -> list[tuple[str, str, str]]:
    """Id, step and why of the rows that makers put others in the place of."""
    tables = [read_shard(path) for path in sorted((base / "dropped").glob("*.parquet"))]
    return [(row["id"], row["step"], row["why"]) for table in tables for row in table.to_pylist()]


def training_sets_with(workspace: Path, places: Places) -> set[Path]:
    """The datasets that keep, in the part train, a row at one of these places."""
    found: set[Path] = set()
    for folder in finished(workspace):
        dataset = open_dataset(folder)
        for shard, rows in places.get(dataset.layers[0], {}).items():
            table = dataset.read(shard, ["kept", "part"], kept=False).take(pa.array(rows, pa.int64()))
            if any(row["kept"] is not False and row["part"] == "train" for row in table.to_pylist()):
                found.add(folder)
    return found


def checkpoints_that_saw(workspace: Path, places: Places) -> list[str]:
    """The checkpoints that were trained on a row at one of these places, themselves or in what they started from."""
    sets = training_sets_with(workspace, places)
    return [
        ref_of(checkpoint)
        for checkpoint in finished(workspace, "checkpoints")
        if read_manifest(checkpoint).facts.get("trainer") != "untrained"
        and any(dataset.folder in sets for dataset in trained_on(workspace, checkpoint))
    ]


def models_that_saw(workspace: Path, places: Places) -> list[str]:
    """The models that were fitted on a dataset with a row at one of these places."""
    holding = {ref_of(folder) for folder in finished(workspace) if open_dataset(folder).layers[0] in places}
    fitted: list[tuple[Path, Manifest]] = [(one, read_manifest(one)) for one in finished(workspace, "models")]
    return [ref_of(folder) for folder, manifest in fitted if holding & set(manifest.inputs.values())]
