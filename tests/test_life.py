"""The whole life of tests/tiny.yaml, as a user sees it: run, run again, show, why, export, check."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
from tests.conftest import TinyRun
from tests.running import TINY, artifacts, bytes_of, cli, differences, report_of

from tunesmith.core.artifact import damaged, read_manifest

Counts = dict[str, dict[str, int]]


def test_a_run_ends_with_a_story_a_page_and_exit_code_0(tiny_run: TinyRun) -> None:
    assert tiny_run.code == 0, tiny_run.out
    assert "functions: 400 records read" in tiny_run.out
    assert "The gate passed tuned" in tiny_run.out
    assert "The gate refused overtrained" in tiny_run.out
    assert (tiny_run.workspace / "runs" / "tiny" / "report.html").is_file()


def test_its_report_has_the_promised_fields(tiny_run: TinyRun) -> None:
    report = report_of(tiny_run.workspace, "tiny")
    assert report["run"] == "tiny"
    assert set(cast(dict[str, object], report["records"])) >= {"in", "made", "kept", "dropped", "quarantined"}
    numbers = cast(dict[str, dict[str, object]], report["numbers"])
    assert set(numbers["tuned/rouge_l"]) == {"value", "n", "low", "high"}
    gate = cast(dict[str, dict[str, object]], report["gate"])
    assert {name: verdict["state"] for name, verdict in gate.items()} == {"tuned": "passed", "overtrained": "failed"}
    assert set(cast(dict[str, float], report["seconds"])) >= {"functions", "pairs", "writer", "tuned", "overtrained"}
    for path in cast(dict[str, str], report["artifacts"]).values():
        assert (tiny_run.workspace / path / "manifest.json").is_file()


def test_in_and_made_are_kept_dropped_and_quarantined_in_every_list(tiny_run: TinyRun) -> None:
    report = report_of(tiny_run.workspace, "tiny")
    lists = cast(dict[str, dict[str, object]], report["lists"])
    for counts in [*lists.values(), cast(dict[str, object], report["records"])]:
        dropped = sum(cast(dict[str, int], counts["dropped"]).values())
        whole = cast(int, counts["in"]) + cast(int, counts["made"])
        assert whole == cast(int, counts["kept"]) + dropped + cast(int, counts["quarantined"])
    assert lists["functions"]["in"] == 400
    assert lists["functions"]["quarantined"] == 1


def test_every_artifact_holds_the_files_that_its_manifest_names_and_no_other(tiny_run: TinyRun) -> None:
    for kind in ("datasets", "checkpoints", "reports"):
        for folder in artifacts(tiny_run.workspace, kind):
            manifest = read_manifest(folder)
            there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
            card = {"README.md"} if kind == "checkpoints" else set()  # is of a run, as its report is
            assert there - card == set(manifest.files)
            assert not damaged(folder)
            assert manifest.key == folder.name


def test_one_worker_and_two_give_the_same_bytes_of_data_and_checkpoints(tiny_run: TinyRun, tiny_twin: TinyRun) -> None:
    one, two = bytes_of(tiny_run.workspace), bytes_of(tiny_twin.workspace)
    assert len(one) > 30
    assert differences(one, two) == []


def test_nothing_that_a_run_stands_for_knows_the_day_or_the_folder_it_lay_in(tiny_run: TinyRun) -> None:
    words = [str(tiny_run.workspace), time.strftime("%Y-%m-%d")]
    for folder in ("datasets", "checkpoints", "reports"):
        for path in (tiny_run.workspace / folder).rglob("*.json"):
            assert not [word for word in words if word in path.read_text("utf-8")], path


def test_a_second_run_does_nothing_anew(tiny_run: TinyRun) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.workspace.rglob("*") if "runs" not in path.parts}
    again = cli("run", TINY, "--workspace", tiny_run.workspace)
    after = {path: path.stat().st_mtime_ns for path in tiny_run.workspace.rglob("*") if "runs" not in path.parts}
    assert again.code == 0, again.all
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed <= {".lock", "state.db", "state.db-wal", "state.db-shm", tiny_run.workspace.name}
    assert report_of(tiny_run.workspace, "tiny")["gate"]


def test_a_gate_that_refuses_all_serves_nothing_and_still_ends_with_exit_code_0(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    workspace = Path(shutil.copytree(tiny_run.workspace, tmp_path / "ws"))
    strict = ("--set", "evaluate.gate.rouge_l.min=0.99")
    done = cli("run", TINY, "--workspace", workspace, *strict)
    assert done.code == 0, done.all
    assert "The gate refused tuned" in done.out
    assert "nothing is served" in done.out
    assert artifacts(workspace, "checkpoints") == {
        workspace / path.relative_to(tiny_run.workspace) for path in artifacts(tiny_run.workspace, "checkpoints")
    }
    served = cli("serve", "--workspace", workspace, "--port", "0")
    assert served.code == 2
    assert "no candidate passed the gate" in served.err
    lenient = cli("run", TINY, "--workspace", workspace)
    assert lenient.code == 0
    assert "tuned may be served" in lenient.out


def test_show_tells_the_story_again(tiny_run: TinyRun) -> None:
    shown = cli("show", "--workspace", tiny_run.workspace)
    assert shown.code == 0
    assert "functions: 400 records read" in shown.out
    missing = cli("show", "--run", "tny", "--workspace", tiny_run.workspace)
    assert missing.code == 2
    assert "Did you mean 'tiny'?" in missing.err


def test_what_is_kept_can_be_taken_out_as_json_lines_with_its_signals(tiny_run: TinyRun, tmp_path: Path) -> None:
    done = cli("data", "export", "tiny.functions", "--to", tmp_path / "f.jsonl", "--workspace", tiny_run.workspace)
    assert done.code == 0, done.all
    rows = [json.loads(line) for line in (tmp_path / "f.jsonl").read_text("utf-8").splitlines()]
    assert f"{len(rows):,} rows" in done.out
    assert len(rows) == cast(Counts, report_of(tiny_run.workspace, "tiny")["lists"])["functions"]["kept"]
    assert all(2 <= row["signal.words"] <= 20 and row["license"] == "CC0-1.0" for row in rows)


def test_one_part_can_be_taken_out_as_parquet(tiny_run: TinyRun, tmp_path: Path) -> None:
    done = cli("data", "export", "tiny.pairs.train", "--to", tmp_path / "t.parquet", "--workspace", tiny_run.workspace)
    assert done.code == 0, done.all
    table = pq.read_table(tmp_path / "t.parquet")
    assert set(table["part"].to_pylist()) == {"train"}
    assert {"chosen", "rejected", "parents"} <= set(table.column_names)


def test_what_is_dropped_can_be_taken_out_with_step_and_why(tiny_run: TinyRun, tmp_path: Path) -> None:
    to = tmp_path / "dropped.jsonl"
    done = cli("data", "export", "tiny.functions", "--dropped", "--to", to, "--workspace", tiny_run.workspace)
    assert done.code == 0, done.all
    rows = [json.loads(line) for line in to.read_text("utf-8").splitlines()]
    dropped = cast(dict[str, Counts], report_of(tiny_run.workspace, "tiny")["lists"])["functions"]["dropped"]
    assert len(rows) == sum(dropped.values())
    assert {(row["step"], row["why"]) for row in rows} >= {("words", "words 1 < min 2")}


def test_names_that_are_not_there_are_refused_with_the_nearest_one(tiny_run: TinyRun, tmp_path: Path) -> None:
    for name, said in (
        ("tiny.functoins", "Did you mean 'functions'?"),
        ("tiny.functions.trian", "Did you mean 'train'?"),
        ("tnyi.functions", "Did you mean 'tiny'?"),
    ):
        done = cli("data", "export", name, "--to", tmp_path / "x.jsonl", "--workspace", tiny_run.workspace)
        assert (done.code, said in done.err) == (2, True), done.all
    bad = cli("data", "export", "tiny", "--to", tmp_path / "x.xlsx", "--workspace", tiny_run.workspace)
    assert (bad.code, ".jsonl or .parquet" in bad.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
