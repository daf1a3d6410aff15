"""`tunesmith data diff A B`: what was added, removed and changed, by source and by step, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.run.version_toys import toy
from tests.running import cli, rows_of, run, write_rows

from tunesmith.run.data_diff import diff, told
from tunesmith.run.versions import make_version


def test_a_dataset_does_not_differ_from_itself_as_run_as_version_or_by_key(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    version = make_version(tmp_path / "ws", "kept.texts")
    for other in ("kept.texts", str(version), version.name[:10]):
        found = diff(tmp_path / "ws", "kept.texts", other)
        rows = found["rows"]
        assert {name for name, count in rows.items() if count} == {"in_a", "in_b"}  # type: ignore[attr-defined]  # counts
        assert all(found[kind] == [] for kind in ("removed", "added", "sources", "steps", "bounds", "counts"))


def test_every_row_that_is_missing_in_b_has_its_fate_told(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    first = run(recipe, ws, workers=1)
    version = make_version(ws, "kept.texts")
    write_rows(tmp_path / "b.jsonl", [{"text": f"page number {n}"} for n in range(8)] + [{"text": "a new page"}])
    second = run(recipe, ws, workers=1, sets={"data.texts.words.keep.min": 4})
    found = diff(ws, str(version), "kept.texts")
    before = {row["id"]: row["text"] for row in rows_of(first, "texts")}
    after = {row["id"]: row["text"] for row in rows_of(second, "texts")}
    rows: dict[str, int] = found["rows"]  # type: ignore[assignment]  # counts
    assert (rows["removed"], rows.get("added", 0)) == (
        len(before.keys() - after.keys()),
        len(after.keys() - before.keys()),
    )
    fates = {one["fate"]: one["records"] for one in found["removed"]}  # type: ignore[attr-defined]  # a list
    assert fates == {"dropped by words": 8, "never read": 2}
    assert [one["what"] for one in found["bounds"]] == ["keep"]  # type: ignore[attr-defined]  # a list
    assert [one["name"] for one in found["sources"]] == ["pages"]  # type: ignore[attr-defined]  # a list
    by_source: dict[str, dict[str, int]] = found["by_source"]  # type: ignore[assignment]  # counts
    assert by_source["pages"]["removed"] == 10
    assert "removed" not in by_source["forum"]
    lines = "\n".join(told(found))
    assert "Removed, in B dropped by words: 8 (such as " in lines
    assert "Bound texts: signal.words: keep: min 2 -> min 4" in lines


def test_rows_that_changed_their_part_or_content_are_counted(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    first = {row["id"]: row["part"] for row in rows_of(run(recipe, ws, workers=1), "texts")}
    make_version(ws, "kept.texts", tmp_path / "version")
    second = run(recipe, ws, workers=1, sets={"data.texts.split.parts": {"train": 0.9, "test": 0.1}})
    moved = sum(first[row["id"]] != row["part"] for row in rows_of(second, "texts"))
    done = cli("data", "diff", tmp_path / "version", "kept.texts", "--json", tmp_path / "d.json", "--workspace", ws)
    assert (done.code, f"{moved} changed ({moved} in part)" in done.out) == (0, moved > 0), done.all
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["rows"]["part changed"] == moved
    assert [(one["name"], one["what"]) for one in found["steps"]] == [("texts: pass split", "parameters")]


def test_what_is_neither_run_nor_version_is_told(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    done = cli("data", "diff", "kept", "kpt", "--workspace", tmp_path / "ws")
    assert (done.code, "Did you mean 'kept'" in done.err) == (2, True), done.all
