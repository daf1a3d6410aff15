"""`tunesmith why ID`: the story of a record, or of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import Dataset, below, open_dataset
from tunesmith.data.funnel import chain, find_row
from tunesmith.data.removed import digest_of, read_removed
from tunesmith.run.context import ref_of
from tunesmith.run.serving import describe_checkpoint, seen_by, training_rows

ANSWER = "chatcmpl-"
Found = tuple[Dataset, Mapping[str, object]]


def why(workspace: Path, row_id: str) -> str:
    """The story of a record or an answer in sentences; raises UserError if nothing here has that id."""
    if row_id.startswith(ANSWER):
        return _why_answer(workspace, row_id)
    sentences = list(_why_record(workspace, row_id)) or list(_why_quarantined(workspace, row_id))
    if not sentences and digest_of(row_id) in {one.digest for one in read_removed(workspace) if one.id is None}:
        return f"Record {row_id} was erased on request. A hash of its id is kept, so that no run reads it in again."
    if not sentences:
        raise UserError(f"nothing in {workspace} has the id {row_id!r}.", "Ids stand in reports and in data export.")
    return "\n".join(sentences)


def _why_answer(workspace: Path, request_id: str) -> str:
    from tunesmith.serve.why import tell, why_request
    from tunesmith.store import find_request, open_store

    with open_store(workspace / "state.db") as store:
        asked = find_request(store, request_id)
        run = asked.run if asked else ""
        story = why_request(
            store,
            request_id,
            describe_checkpoint=lambda key: describe_checkpoint(workspace, key, run),
            training_rows=lambda key: training_rows(workspace, key),
        )
    return tell(story)


def _why_record(workspace: Path, row_id: str) -> Iterator[str]:
    found = list(find_row(workspace / "datasets", row_id))
    whole = sorted({str(row["id"]) for _, row in found})
    if not whole:
        return
    if len(whole) > 1:
        raise UserError(f"{len(whole)} records have an id that begins with {row_id!r}.", f"Say more: {whole[0]}, ...")
    told = _told(workspace, found)
    yield f"Record {whole[0]}"
    yield from _origin(told[0][1])
    for dataset, row in told:
        yield from _chapter(dataset, row)
    yield from (sentence for dataset, _ in told for sentence in _replaced(workspace, dataset, whole[0]))
    seen = seen_by(workspace, [ref_of(layer) for dataset, row in told if _trained(row) for layer in dataset.layers])
    yield f"Checkpoints trained on it: {', '.join(seen) if seen else 'none'}."


def _told(workspace: Path, found: Sequence[Found]) -> list[Found]:
    """Of the datasets over one base, the one the newest run came to, else the one with most layers."""
    newest = _newest(workspace)
    best: dict[Path, Found] = {}
    for dataset, row in sorted(found, key=lambda one: (one[0].folder in newest, len(one[0].layers))):
        best[dataset.layers[0]] = (dataset, row)
    return sorted(best.values(), key=lambda one: one[0].folder)


def _newest(workspace: Path) -> set[Path]:
    """For each base, the folder that stands for it in the newest run that has it."""
    folder_of: dict[Path, Path] = {}
    for path in sorted((workspace / "runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime):
        artifacts = json.loads(path.read_text("utf-8"))["artifacts"]
        lists = [workspace / artifacts[name] for name in artifacts if name.startswith("data.")]
        folder_of |= {link.layers[0]: link.folder for one in lists for link in chain(open_dataset(one))}
    return set(folder_of.values())


def _replaced(workspace: Path, dataset: Dataset, row_id: str) -> Iterator[str]:
    """What makers put in the place of a record, told of the datasets that were fed from this one."""
    for path in sorted((workspace / "datasets").glob("*/*/manifest.json")):
        if read_manifest(path.parent).step != "stretch" or below(path.parent) != dataset.folder:
            continue
        for shard in sorted((path.parent / "dropped").glob("*.parquet")):
            gone = pq.read_table(shard, filters=[("id", "==", row_id)]).to_pylist()
            yield from (f"In {ref_of(path.parent)}: {row['step']}: {row['why']}." for row in gone)


def _origin(row: Mapping[str, object]) -> Iterator[str]:
    origin = cast(Mapping[str, object], row.get("origin") or {})
    place = f"{origin.get('uri')}, line {origin.get('line')}" if origin.get("uri") else "an unnamed place"
    yield f"It was read from {place} by the source {row.get('source')}; licence {row.get('license') or 'unknown'}."
    meta = json.loads(str(row.get("meta") or "{}"))
    named = ", ".join(f"{name} {meta[name]}" for name in ("package", "version") if name in meta)
    if named:
        yield f"It belongs to {named}."


def _chapter(dataset: Dataset, row: Mapping[str, object]) -> Iterator[str]:
    measured = {name.removeprefix(SIGNAL): value for name, value in row.items() if name.startswith(SIGNAL)}
    signals = ", ".join(f"{name} {_short(value)}" for name, value in measured.items() if value is not None)
    if row.get("kept") is False:
        verdict = f"dropped by {row['step']}: {row['why']}"
    else:
        verdict = f"kept, in part {row['part']}" if row.get("part") else "kept"
        verdict += f", {row['copies']} times" if row.get("copies") not in (None, 1) else ""
    parents = cast("list[str]", row.get("parents") or [])
    made = f", made from {', '.join(parents)}" if parents else ""
    yield f"In {ref_of(dataset.folder)}: {verdict}{made}." + (f" Measured: {signals}." if signals else "")


def _trained(row: Mapping[str, object]) -> bool:
    return row.get("kept") is not False and row.get("part") == "train"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _why_quarantined(workspace: Path, row_id: str) -> Iterator[str]:
    for path in sorted((workspace / "datasets").glob("*/*/quarantine/*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            if str(row.get("id", "")).startswith(row_id):
                step = row.get("step") or "reading"
                yield f"Record {row['id']} is in quarantine ({path.relative_to(workspace)}): {step}: {row['error']}."
