"""`tunesmith why ID`: the story of a record, or of an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.core.record import SIGNAL
from tunesmith.data.dataset import Dataset
from tunesmith.data.funnel import find_row
from tunesmith.run.context import ref_of
from tunesmith.run.serving import describe_checkpoint, seen_by, training_rows

ANSWER = "chatcmpl-"


def why(workspace: Path, row_id: str) -> str:
    """The story of a record or an answer in sentences; raises UserError if nothing here has that id."""
    if row_id.startswith(ANSWER):
        return _why_answer(workspace, row_id)
    sentences = list(_why_record(workspace, row_id)) or list(_why_quarantined(workspace, row_id))
    if not sentences:
        raise UserError(f"nothing in {workspace} has the id {row_id!r}.", "Ids stand in reports and in data export.")
    return "\n".join(sentences)


def _why_answer(workspace: Path, request_id: str) -> str:
    from tunesmith.serve.why import tell, why_request
    from tunesmith.store import open_store

    with open_store(workspace / "state.db") as store:
        story = why_request(
            store,
            request_id,
            describe_checkpoint=lambda key: describe_checkpoint(workspace, key),
            training_rows=lambda key: training_rows(workspace, key),
        )
    return tell(story)


def _why_record(workspace: Path, row_id: str) -> Iterator[str]:
    longest = _longest(list(find_row(workspace / "datasets", row_id)))
    if not longest:
        return
    whole = str(longest[0][1]["id"])
    yield f"Record {whole}"
    yield from _origin(longest[0][1])
    for dataset, row in longest:
        yield from _chapter(dataset, row)
    seen = seen_by(workspace, [ref_of(layer) for dataset, row in longest if _trained(row) for layer in dataset.layers])
    yield f"Checkpoints trained on it: {', '.join(seen) if seen else 'none'}."


def _longest(found: list[tuple[Dataset, Mapping[str, object]]]) -> list[tuple[Dataset, Mapping[str, object]]]:
    """Of the datasets over one base, the one with most layers: it knows the last verdict."""
    best: dict[Path, tuple[Dataset, Mapping[str, object]]] = {}
    for dataset, row in found:
        base = dataset.layers[0]
        if base not in best or len(dataset.layers) > len(best[base][0].layers):
            best[base] = (dataset, row)
    return list(best.values())


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
