"""A dataset version: a folder with the data, its card, its metadata and a manifest that says what is in it and why.

The KEY stands for the content: equal data with an equal history has the same KEY and the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq

from tunesmith.core.artifact import MANIFEST, Manifest, replacing, write_json
from tunesmith.core.hashing import file_sha256, key_of
from tunesmith.data.card import card
from tunesmith.data.croissant import croissant
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import funnel, steps_of
from tunesmith.data.lineage import UNKNOWN, Facts, Pinned, artifacts_of, links_of, lists_of, selection_of, sources_of
from tunesmith.data.version_files import FILE_BYTES, FOLDER, DataFile, write_data

VERSION = 1
CARD = "README.md"
CROISSANT = "croissant.json"


def write_version(name: str, dataset: Dataset, out: Path, *, pinned: Pinned, file_bytes: int = FILE_BYTES) -> Manifest:
    """Write a version of a dataset into an empty folder, the manifest last."""
    files = write_data(dataset, out, file_bytes=file_bytes)
    facts = {
        **history_of(dataset, pinned),
        "files": {file.path: {"bytes": file.bytes, "rows": file.rows} for file in files},
    }
    licenses = _licenses(dataset)
    counts = funnel(dataset).as_json()
    hashes = {file.path: file.sha256 for file in files}
    key = key_of([VERSION, name, hashes, facts, licenses, counts])
    facts["date"] = _newest(cast(Sequence[Facts], facts["sources"])) or UNKNOWN
    _write_card(name, dataset, out)
    write_json(out / CROISSANT, _metadata(name, key, dataset, out, files, licenses, facts))
    hashes |= {told: file_sha256(out / told) for told in (CARD, CROISSANT)}
    inputs = {"rows": f"{dataset.folder.parent.name}/{dataset.folder.name}"}
    manifest = Manifest(
        "version", name, key, "version", VERSION, {}, inputs, 0, counts, licenses, facts, dict(sorted(hashes.items()))
    )
    write_json(out / MANIFEST, asdict(manifest))
    return manifest


def history_of(dataset: Dataset, pinned: Pinned) -> dict[str, object]:
    """Where a dataset came from and how it was chosen, as a version's manifest tells it."""
    return {
        "sources": sources_of(dataset, pinned),
        "steps": artifacts_of(dataset),
        "funnel": [{name: row[name] for name in row} for each in lists_of(dataset) for row in steps_of(each)],
        "selection": selection_of(dataset),
        "parents": list(dict.fromkeys(link.ref for link in links_of(dataset))),
        "quarantined": {
            link.ref: aside for link in links_of(dataset) if (aside := link.manifest.counts.get("quarantined", 0))
        },
    }


def _licenses(dataset: Dataset) -> dict[str, int]:
    """The licences of the kept rows."""
    found: Counter[str] = Counter()
    for table in dataset.tables(["license"]):
        for pair in table["license"].value_counts().to_pylist():
            found[str(pair["values"] or UNKNOWN)] += pair["counts"]
    return dict(sorted(found.items()))


def _newest(sources: Sequence[Facts]) -> str | None:
    """The newest date that a source was collected on, as the recipe says it."""
    dates = [str(source["date"]) for source in sources if source["date"] != UNKNOWN]
    return max(dates, default=None)


def _write_card(name: str, dataset: Dataset, out: Path) -> None:
    with replacing(out / CARD) as temporary:
        temporary.write_text(card(name, dataset, files=f"{FOLDER}/{{part}}-*.parquet"), "utf-8")


def _metadata(
    name: str,
    key: str,
    dataset: Dataset,
    out: Path,
    files: Sequence[DataFile],
    licenses: Mapping[str, int],
    facts: Mapping[str, object],
) -> dict[str, object]:
    date = str(facts["date"])
    schema = pq.read_schema(out / files[0].path)
    rows = sum(file.rows for file in files)
    told = f"{rows:,} records of the list {dataset.folder.parent.name}; sources, steps and bounds: {MANIFEST}."
    known = None if date == UNKNOWN else date
    return croissant(name, key, files, schema, licenses=licenses, date=known, description=told)
