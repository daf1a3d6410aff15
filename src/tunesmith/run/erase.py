"""`tunesmith data remove --purge`: records erased from everything a workspace holds, and kept from coming back.

All that is to be done is written to a journal first. A manifest is put aside before the files it speaks of change, so
that an erasure that is killed leaves no manifest that lies, and goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np

from tunesmith.core.artifact import MANIFEST, files_of, replacing, write_json
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256, key_of
from tunesmith.data.dataset import shard_path
from tunesmith.data.removed import Removed, add_removed, digest_of
from tunesmith.run.disk import disk_errors
from tunesmith.run.erase_plan import plan_of
from tunesmith.run.gc import drop_temporary, drop_unfinished
from tunesmith.run.hold import JOURNAL, held
from tunesmith.run.lock import locked
from tunesmith.run.remove import told_of_models
from tunesmith.run.scrub import SCRUBS, holds_any, quotes, scrub_file, scrub_shard, scrub_value
from tunesmith.run.traces import (
    EQUAL_IDS,
    Places,
    Row,
    bases,
    checkpoints_that_saw,
    models_that_saw,
    places_of,
    quarantined,
    read_ids,
    rows_at,
    with_children,
    with_equals,
)

ASIDE = "manifest.erasing"  # the old manifest while its files change
Render = Callable[[Path, Mapping[str, object]], None]  # writes the page of a report again
Journal = Mapping[str, object]


@dataclass(frozen=True)
class Erasure:
    """What an erasure did, or would do."""

    asked: int
    ids: tuple[str, ...]  # with equal records, and those made from them
    missing: tuple[str, ...]
    changed: tuple[str, ...]  # artifacts
    versions: tuple[str, ...]
    origins: tuple[str, ...]  # where the records stand in the user's own files
    checkpoints: tuple[str, ...]
    models: tuple[str, ...]


def erase(workspace: Path, ids_file: Path, render: Render, *, dry_run: bool = False) -> Erasure:
    """Erase records, those equal to them and those made from them; with `dry_run`, only tell what would go."""
    asked = read_ids(ids_file)
    with held(workspace), disk_errors(workspace):
        ids = with_children(workspace, with_equals(workspace, asked))
        places = places_of(workspace, ids)
        journal = _journal(workspace, asked, ids, places)
        if not dry_run:
            write_json(workspace / JOURNAL, journal)
            _go_on(workspace, journal, render)
    return _erasure(journal)


def resume(workspace: Path, render: Render) -> Erasure:
    """Go on with an erasure that was interrupted."""
    path = workspace / JOURNAL
    if not path.is_file():
        raise UserError(f"{workspace}: no erasure was interrupted.", "Begin one: data remove --ids FILE --purge")
    with locked(workspace), disk_errors(workspace):
        journal: Journal = json.loads(path.read_text("utf-8"))
        _go_on(workspace, journal, render)
    return _erasure(journal)


def _journal(workspace: Path, asked: Sequence[str], ids: set[str], places: Places) -> dict[str, object]:
    rows = [(base, row) for base, shards in places.items() for row in rows_at(base, shards)]
    rows += [(base, row) for base in bases(workspace) for row in _aside(base, ids)]
    here = {str(row["id"]) for _, row in rows}
    removed = {
        Removed(digest_of(str(row["id"])), source=None if row["parents"] else str(row["source"]), list=base.parent.name)
        for base, row in rows
    }
    return {
        "asked": list(asked),
        "ids": sorted(ids),
        "missing": [one for one in asked if one not in here],
        "removed": sorted((asdict(one) for one in removed), key=lambda one: json.dumps(one)),
        "plan": plan_of(workspace, ids, places),
        "origins": sorted({_place(row) for _, row in rows if not row["parents"]}),
        "checkpoints": checkpoints_that_saw(workspace, places),
        "models": models_that_saw(workspace, places),
    }


def _aside(base: Path, ids: set[str]) -> list[Row]:
    """What is known of the records among these that stand in quarantine."""
    found = [row for _, rows in quarantined(base) for row in rows if row.get("id") in ids]
    raw = [cast(Row, json.loads(str(row["raw"]))) for row in found]
    return [{"parents": None, "source": None, "origin": None, **row} for row in raw]


def _place(row: Mapping[str, object]) -> str:
    origin = cast(Mapping[str, object], row["origin"] or {})
    line = f", line {origin['line']}" if origin.get("line") else ""
    return f"{origin.get('uri') or 'an unnamed place'}{line} (source {row['source']})"


def _erasure(journal: Journal) -> Erasure:
    plan = cast(Mapping[str, object], journal["plan"])
    told = ("ids", "missing", "origins", "checkpoints", "models")
    lists = {name: tuple(cast(Sequence[str], journal[name])) for name in told}
    versions = tuple(cast(Sequence[str], plan["versions"]))
    datasets = cast(Mapping[str, Mapping[str, Mapping[str, Mapping[str, object]]]], plan["datasets"])
    changed = tuple(ref for ref, change in datasets.items() if any(one["rows"] for one in change["shards"].values()))
    return Erasure(len(cast(Sequence[str], journal["asked"])), changed=changed, versions=versions, **lists)


def _go_on(workspace: Path, journal: Journal, render: Render) -> None:
    """Do what is still to be done; every step may be done twice."""
    ids = set(cast(Sequence[str], journal["ids"]))
    plan = cast(Mapping[str, object], journal["plan"])
    add_removed(workspace, [Removed(**one) for one in cast(Sequence[dict[str, str]], journal["removed"])])
    for ref, change in cast(Mapping[str, Mapping[str, object]], plan["datasets"]).items():
        _rewrite(workspace / ref, ids, change)
    for ref in cast(Sequence[str], plan["quoting"]):
        _rewrite(workspace / ref, ids, {})
    for path in [*cast(Sequence[str], plan["versions"]), *cast(Sequence[str], plan["caches"])]:
        (workspace / path / MANIFEST).unlink(missing_ok=True)  # what is half removed does not exist
        shutil.rmtree(workspace / path, ignore_errors=True)
    drop_unfinished(workspace)
    drop_temporary(workspace)
    _erase_requests(workspace, ids)
    for report in sorted((workspace / "runs").glob("*/report.json")):
        _rewrite_report(report, ids, render)
    (workspace / JOURNAL).unlink()


def _rewrite(folder: Path, ids: set[str], change: Mapping[str, object]) -> None:
    """Rewrite the files of an artifact that hold the records or quote them, then its manifest."""
    token = key_of(sorted(map(digest_of, ids)))
    manifest, aside = folder / MANIFEST, folder / ASIDE
    if manifest.is_file():
        text = manifest.read_text("utf-8")
        if token in text:
            aside.unlink(missing_ok=True)
            return
        shards = cast(Mapping[str, Mapping[str, Sequence[int]]], change.get("shards", {}))
        if not any(one["rows"] for one in shards.values()) and not _quoted(folder, ids, text):
            return
        manifest.replace(aside)
    _scrub(folder, ids, change)
    if aside.is_file():
        _write_manifest(folder, ids, change, token)
        aside.unlink()


def _quoted(folder: Path, ids: set[str], manifest: str) -> bool:
    """Whether an artifact names the records anywhere: in evidence about others, in answers, in reviews."""
    return quotes(manifest, ids) or any(
        holds_any(path, ids)
        if path.suffix == ".parquet"
        else path.suffix in SCRUBS and quotes(path.read_text("utf-8-sig"), ids)
        for path in files_of(folder)
    )


def _scrub(folder: Path, ids: set[str], change: Mapping[str, object]) -> None:
    shards = cast(Mapping[str, Mapping[str, object]], change.get("shards", {}))
    for shard, one in shards.items():
        scrub_shard(shard_path(folder, int(shard)), ids, cast(Sequence[int], one["rows"]), cast(int, one["of"]))
    of_shards = {shard_path(folder, int(shard)) for shard in shards}
    for path in files_of(folder):
        if path not in of_shards and path.name != ASIDE:
            scrub_file(path, ids)
    if (folder / EQUAL_IDS).is_file():
        _scrub_equals(folder / EQUAL_IDS, ids)


def _scrub_equals(path: Path, ids: set[str]) -> None:
    """What is known of equal rows, without those that are erased."""
    known = np.load(path)
    left = known[[entry["id"].decode() not in ids for entry in known]] if len(known) else known
    if len(left) < len(known):
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, left)


def _write_manifest(folder: Path, ids: set[str], change: Mapping[str, object], token: str) -> None:
    """The manifest of what is left, with a note that it is no longer what its KEY says."""
    old = json.loads((folder / ASIDE).read_text("utf-8"))
    clean = cast(dict[str, dict[str, object]], scrub_value(old, ids))
    shards = cast(Mapping[str, Mapping[str, Sequence[int]]], change.get("shards", {}))
    gone = sum(len(one["rows"]) for one in shards.values())
    facts = {**clean["facts"], **cast(Mapping[str, object], change.get("facts", {}))}
    facts["erased"] = [*cast(Sequence[object], facts.get("erased", [])), {"token": token, "rows": gone}]
    left = {name: change[name] for name in ("counts", "licenses") if name in change}
    files = {path.relative_to(folder).as_posix(): path for path in files_of(folder) if path.name != ASIDE}
    hashes = {name: file_sha256(path) for name, path in files.items()}
    write_json(folder / MANIFEST, {**clean, **left, "facts": facts, "files": hashes})


def _rewrite_report(path: Path, ids: set[str], render: Render) -> None:
    """A report without what it shows of the records, and its page."""
    text = path.read_text("utf-8")
    report = cast(dict[str, object], scrub_value(json.loads(text), ids))
    if quotes(text, ids):
        write_json(path, report)
    if (path.parent / "report.html").is_file():  # whether it shows them or not: it may be older than the report
        render(path.parent, report)


def _erase_requests(workspace: Path, ids: set[str]) -> None:
    """Stored answers that quote one of the records by its id."""
    if (workspace / "state.db").is_file():
        from tunesmith.store import open_store
        from tunesmith.store.forget import forget_requests

        with open_store(workspace / "state.db") as store:
            forget_requests(store, lambda text: quotes(text, ids))


def told(done: Erasure, *, dry_run: bool) -> Iterator[str]:
    """What was done, in sentences."""
    would = "would be erased" if dry_run else "are erased"
    yield (
        f"{done.asked:,} ids were asked for; {len(done.ids):,} {would}, with equal records and those made from them: "
        f"from {len(done.changed):,} artifacts, reviews, answers, reports, caches and stored requests."
    )
    if done.missing:
        yield f"No dataset has {len(done.missing):,} of them, such as {done.missing[0]}."
    if done.versions:
        yield f"Whole versions that {'would go' if dry_run else 'went'} with them: {', '.join(done.versions)}."
    yield from told_of_models([*done.checkpoints, *done.models])
    yield "A hash of each id is kept, so that no later run reads them in again. Copies that left the workspace stay."
    if done.origins:
        yield "In your own files they still stand here:"
        yield from (f"  {place}" for place in done.origins)
