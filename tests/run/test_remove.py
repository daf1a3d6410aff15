"""`tunesmith data remove`: records leave for good, or are erased; a later run never brings them back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.run.test_durability import Death, Killed
from tests.run.version_toys import SECRET, toy
from tests.running import bytes_of, cli, report_of, rows_of, run

from tunesmith.core.artifact import damaged, read_manifest
from tunesmith.core.errors import UserError, Waiting
from tunesmith.data.funnel import dropped_rows, funnel
from tunesmith.data.removed import read_removed
from tunesmith.run import Outcome
from tunesmith.run.erase import erase, resume
from tunesmith.run.remove import remove
from tunesmith.run.scrub import without_evidence
from tunesmith.run.traces import read_ids
from tunesmith.run.versions import make_version
from tunesmith.run.why import why
from tunesmith.store import StoredRequest, find_request, open_store, save_request
from tunesmith.web.show import write_page


def ids_with(outcome: Outcome, text: str) -> list[str]:
    """The ids of rows with this text, dropped ones too."""
    tables = [*dropped_rows(outcome.lists["texts"]), *outcome.lists["texts"].tables(["id", "text"])]
    return [row["id"] for table in tables for row in table.to_pylist() if row["text"] == text]


def asked(folder: Path, ids: list[str]) -> Path:
    path = folder / "ids.txt"
    path.write_text("\n".join(ids) + "\n")
    return path


def everything(workspace: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a workspace as text, tables as the text of their rows."""
    for path in sorted(workspace.rglob("*")):
        if path.is_file():
            shown = (
                str(pq.read_table(path).to_pylist())
                if path.suffix == ".parquet"
                else path.read_bytes().decode("utf-8", "replace")
            )
            yield path, shown.lower()


def whole(workspace: Path) -> None:
    """Every manifest speaks the truth, and every list accounts for its records."""
    from tunesmith.data.dataset import open_dataset

    for path in workspace.glob("*/*/*/manifest.json"):
        assert damaged(path.parent) == []
    for report in workspace.glob("runs/*/report.json"):
        for ref in json.loads(report.read_text())["artifacts"].values():
            funnel(open_dataset(workspace / ref))


def test_a_removed_record_is_in_no_new_version_and_no_later_run(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    before = rows_of(run(recipe, ws, workers=1), "texts")
    gone = str(next(row["id"] for row in before if row["part"] == "train"))
    done = remove(ws, asked(tmp_path, [gone]))
    assert done.lists == {"kept.texts": 1, "kept.louder": 2}
    for version in done.versions:
        rows = [row for path in (version / "data").iterdir() for row in pq.read_table(path).to_pylist()]
        assert rows
        assert not [row for row in rows if gone in (row["id"], *(row.get("parents") or ()))]
    after = run(recipe, ws, workers=1)
    assert {row["id"] for row in before} - {row["id"] for row in rows_of(after, "texts")} == {gone}
    assert not [row for row in rows_of(after, "louder") if row["parents"] == [gone]]
    assert "dropped by removed: asked for in ids.txt" in why(ws, gone)
    whole(ws)


def test_a_list_that_a_removal_does_not_concern_keeps_its_key(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    first = run(recipe, ws, workers=1)
    [row] = [row for row in dropped_rows(first.lists["texts"])]
    short = [one["id"] for one in row.to_pylist() if one["text"] == "short"]
    remove(ws, asked(tmp_path, short))  # a dropped record, which no list keeps
    assert read_removed(ws)[0].id == short[0]
    [gone] = ids_with(first, "page number 3")
    done = remove(ws, asked(tmp_path, [gone]), "kept.texts", dry_run=True)
    assert done.lists == {"kept.texts": 1}
    assert [one.id for one in read_removed(ws)] == short


def test_ids_are_read_from_lines_csv_and_json_lines(tmp_path: Path) -> None:
    one, two = "0" * 32, "a" * 32
    (tmp_path / "a.txt").write_text(f"{one}\n\n{two}\n{one}\n")
    (tmp_path / "b.csv").write_text(f"note,id\nx,{one}\ny,{two}\n")
    (tmp_path / "c.jsonl").write_text(f'{{"id": "{one}"}}\n{{"id": "{two}"}}\n')
    assert [read_ids(tmp_path / name) for name in ("a.txt", "b.csv", "c.jsonl")] == [[one, two]] * 3
    (tmp_path / "d.txt").write_text("not an id\n")
    with pytest.raises(UserError, match="'not an id' is no id"):
        read_ids(tmp_path / "d.txt")


def test_an_erased_record_is_nowhere_and_does_not_come_back(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    first = run(recipe, ws, workers=1)
    write_page(ws / "runs" / "kept", report_of(ws, "kept"))
    make_version(ws, "kept.texts")
    [one, other] = ids_with(first, SECRET)
    assert any(SECRET in text for _, text in everything(ws))
    assert "kept, in part" in why(ws, other) or "dropped by exact_dedup" in why(ws, other)
    rows_before = first.lists["texts"].count()
    done = erase(ws, asked(tmp_path, [other]), write_page)
    assert {one, other} < set(done.ids), "equal records go with it, and those made from them"
    assert done.origins == ("a.jsonl, line 31 (source forum)", "a.jsonl, line 33 (source forum)")
    assert len(done.versions) == 1
    for path, text in everything(ws):
        assert SECRET not in text, path
        assert not [row_id for row_id in done.ids if row_id in text], path
    whole(ws)
    assert why(ws, other).startswith(f"Record {other} was erased on request.")
    again = run(recipe, ws, workers=1)
    assert again.lists["texts"].count() == rows_before - 1
    assert again.report["records"]["dropped"]["removed: on request"] == 2  # type: ignore[index]  # nested mappings
    assert not [path for path, text in everything(ws) if SECRET in text]
    whole(ws)


def test_a_dry_run_tells_what_would_go_and_changes_nothing(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    first = run(recipe, ws, workers=1)
    kept = [row for row in rows_of(first, "texts") if row["text"] == "forum text number 4"]
    before = bytes_of(ws)
    told = cli(
        "data", "remove", "--ids", asked(tmp_path, [str(kept[0]["id"])]), "--purge", "--dry-run", "--workspace", ws
    )
    assert (told.code, "would be erased" in told.out, "a.jsonl, line 5" in told.out) == (0, True, True), told.all
    assert bytes_of(ws) == before


def test_what_names_an_erased_record_as_evidence_is_blank_and_all_else_stays() -> None:
    gone, other = "a" * 32, "b" * 32
    rows = [
        {
            "signal.near.survivor": gone,
            "signal.near.passage": "quoted",
            "signal.near.similarity": 0.9,
            "why": f"as {gone}",
        },
        {"signal.near.survivor": other, "signal.near.passage": "mine", "signal.near.similarity": 0.8, "why": None},
    ]
    clean = without_evidence(pa.Table.from_pylist([{**row, "signal.language": "en"} for row in rows]), {gone})
    assert clean.to_pylist() == [
        {
            "signal.near.survivor": None,
            "signal.near.passage": None,
            "signal.near.similarity": 0.9,
            "why": "as [erased]",
            "signal.language": "en",
        },
        {**rows[1], "signal.language": "en"},
    ]


def test_a_quarantined_record_is_erased_too(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    run(recipe, ws, workers=1)
    [line] = [
        one for path in ws.rglob("quarantine/*.jsonl") for one in path.read_text().splitlines() if "bad one" in one
    ]
    row_id = json.loads(line)["id"]
    erase(ws, asked(tmp_path, [row_id]), write_page)
    assert not [path for path, text in everything(ws) if "bad one" in text]
    whole(ws)
    again = run(recipe, ws, workers=1)
    assert again.report["records"]["quarantined"] == 1  # type: ignore[index]  # the torn line
    assert not [path for path, text in everything(ws) if "bad one" in text]


def test_a_made_record_is_erased_alone_and_its_maker_does_not_bring_it_back(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    made = rows_of(run(recipe, ws, workers=1), "louder")
    gone = str(made[0]["id"])
    done = erase(ws, asked(tmp_path, [gone]), write_page)
    assert (done.ids, done.origins) == ((gone,), ())
    whole(ws)
    again = run(recipe, ws, workers=1)
    assert [row["id"] for row in rows_of(again, "louder")] == [row["id"] for row in made[1:]]
    assert again.report["records"]["quarantined"] == 2  # type: ignore[index]  # as before
    whole(ws)


def test_an_open_round_of_review_and_a_stored_answer_lose_what_quotes_the_record(tmp_path: Path) -> None:
    recipe, ws = toy(tmp_path), tmp_path / "ws"
    reviewed = recipe.read_text().replace("    - {pass: exact_dedup}\n", "    - {review: people, sample: 45}\n")
    recipe.write_text(reviewed)
    with pytest.raises(Waiting):
        run(recipe, ws, workers=1)
    [path] = ws.glob("reviews/*/*/round.csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    gone = next(row["id"] for row in rows if row["text"] == SECRET)
    with open_store(ws / "state.db") as store:
        numbers = {"prompt_tokens": 1, "answer_tokens": 1, "seconds": 0.1, "finish": "stop"}
        for name, said in (("one", f"see {gone}: {SECRET}"), ("two", "nothing")):
            turns = ({"role": "user", "content": said},)
            save_request(store, StoredRequest(name, 0.0, "m", "k", "r", turns, "yes", **numbers))  # type: ignore[arg-type]  # by name
    erase(ws, asked(tmp_path, [gone]), write_page)
    assert len(list(csv.DictReader(io.StringIO(path.read_text(), newline="")))) == len(rows) - 2
    assert not [file for file, text in everything(ws) if SECRET in text]
    with open_store(ws / "state.db") as store:
        assert find_request(store, "one") is None
        assert find_request(store, "two") is not None


def test_an_erasure_that_dies_at_any_moment_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def erased(name: str, at: int | None) -> tuple[dict[str, str], bool]:
        folder = tmp_path / name
        folder.mkdir()
        recipe, ws = toy(folder), folder / "ws"
        first = run(recipe, ws, workers=1)
        write_page(ws / "runs" / "kept", report_of(ws, "kept"))
        make_version(ws, "kept.texts")
        ids = asked(folder, ids_with(first, SECRET)[:1])
        dead = False
        with monkeypatch.context() as patch:
            death = Death(patch, at=at or 10**6)
            try:
                erase(ws, ids, write_page)
            except Killed:
                dead = True
        if dead and (ws / "erasing.json").exists():
            for path in ws.glob("*/*/*/manifest.json"):
                assert damaged(path.parent) == [], "a manifest lies"
            with pytest.raises(UserError, match="data remove --resume"):
                run(recipe, ws, workers=1)
            resume(ws, write_page)
        elif dead:
            erase(ws, ids, write_page)
        assert not death.dead or dead
        whole(ws)
        return bytes_of(ws), dead

    wanted, _ = erased("whole", None)
    moment, dead = 1, True
    while dead:
        found, dead = erased(f"death_{moment}", moment)
        assert found == wanted, f"died before file {moment}"
        moment += 3
    assert moment > 15


def test_nothing_is_removed_where_no_id_is_known(tmp_path: Path) -> None:
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    done = cli("data", "remove", "--ids", asked(tmp_path, ["f" * 32]), "--workspace", tmp_path / "ws")
    assert (done.code, "has any of the 1 ids" in done.err) == (2, True), done.all
    assert cli("data", "remove", "--workspace", tmp_path / "ws").code == 2
    assert "no erasure was interrupted" in cli("data", "remove", "--resume", "--workspace", tmp_path / "ws").err


def test_checkpoints_that_saw_the_records_are_named(tiny_run: object, tmp_path: Path) -> None:
    import shutil

    ws = tmp_path / "ws"
    shutil.copytree(tiny_run.workspace, ws)  # type: ignore[attr-defined]  # TinyRun
    folder = ws / report_of(ws, "tiny")["artifacts"]["data.functions"]  # type: ignore[index]  # a mapping
    from tunesmith.data.dataset import open_dataset

    row = next(open_dataset(folder).tables(["id"], part="train"))["id"][0].as_py()
    done = erase(ws, asked(tmp_path, [row]), write_page)
    names = sorted({one.partition("/")[0] for one in done.checkpoints})
    assert names == ["overtrained", "tuned", "writer"]
    for path in ws.glob("*/*/*/manifest.json"):
        assert damaged(path.parent) == []
    assert read_manifest(folder).facts["columns"]
    assert not [path for path, text in everything(ws) if row in text]
