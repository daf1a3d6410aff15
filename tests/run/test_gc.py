"""`tunesmith data gc`: what a report or a version needs stays, all else goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import TinyRun
from tests.run.version_toys import toy
from tests.running import artifacts, bytes_of, cli, run

from tunesmith.core.errors import UserError
from tunesmith.run.gc import collect
from tunesmith.run.lock import locked
from tunesmith.run.versions import make_version, verify


def test_artifacts_of_earlier_runs_go_and_a_rerun_finds_all_it_needs(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    run(recipe, ws, workers=1, sets={"data.texts.words.keep.min": 4})
    run(recipe, ws, workers=1)
    run(toy(tmp_path / "fresh"), tmp_path / "other", workers=1)
    (ws / "datasets" / "texts" / "halfway" / "shards").mkdir(parents=True)
    before = bytes_of(ws)
    told = cli("data", "gc", "--dry-run", "--workspace", ws)
    assert (told.code, "would be freed" in told.out, bytes_of(ws)) == (0, True, before)
    found = collect(ws)
    assert found.bytes > 0
    needed = {path.relative_to(ws) for path in artifacts(ws)}
    assert needed == {path.relative_to(tmp_path / "other") for path in artifacts(tmp_path / "other")}
    assert not (ws / "datasets" / "texts" / "halfway").exists()
    after = bytes_of(ws)
    run(recipe, ws, workers=1)
    assert bytes_of(ws) == after
    assert collect(ws).bytes == 0


def test_what_a_version_was_made_from_stays(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    run(recipe, ws, workers=1)
    version = make_version(ws, "kept.texts")
    before = artifacts(ws)
    run(recipe, ws, workers=1, sets={"data.texts.words.keep.min": 4})
    collect(ws)
    assert verify(ws, version.name)[1] == []
    assert {folder for folder in before if folder.parent.name == "texts"} <= artifacts(ws)


def test_a_locked_workspace_is_left_alone(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    before = bytes_of(tmp_path / "ws")
    with locked(tmp_path / "ws"), pytest.raises(UserError, match="in use by another run"):
        collect(tmp_path / "ws")
    assert bytes_of(tmp_path / "ws") == before
    with pytest.raises(UserError, match="there is no workspace"):
        collect(tmp_path / "nowhere")


def test_a_run_that_trains_and_evaluates_needs_all_that_it_made(tiny_run: TinyRun) -> None:
    assert collect(tiny_run.workspace, dry_run=True).folders == {}
