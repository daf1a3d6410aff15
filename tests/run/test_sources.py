"""Sources in a run: large files in parts, files hashed once, folders and URLs, and every fault of a file."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tests.running import rows_of, run, write_recipe

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256
from tunesmith.run import Outcome, lists

SIZE = 2000  # of a part, so that small files have several


def recipe(folder: Path, source: str) -> Path:
    return write_recipe(folder, f"name: sources\ndata:\n  rows:\n    - {{{source}}}\n")


def read(folder: Path, source: str, workspace: str = "ws", **options: object) -> Outcome:
    return run(recipe(folder, source), folder / workspace, **options)


def told(outcome: Outcome) -> list[tuple[str, str]]:
    """The uri and the error of each row in quarantine."""
    files = sorted((outcome.lists["rows"].folder / "quarantine").glob("*.jsonl"))
    entries = [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
    return [(entry["uri"], entry["error"]) for entry in entries]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.run.sources.PART_BYTES", SIZE)


TABLE = [{"text": f"text number {n}" + ' "with", marks' * (n % 7), "n": str(n)} for n in range(300)]


def as_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in TABLE))


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "n"])
        writer.writeheader()
        writer.writerows({**row, "text": row["text"].replace(",", "\n")} for row in TABLE)


def as_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(TABLE), path, row_group_size=30)


def as_lines(path: Path) -> None:
    path.write_text("".join(row["text"] + "\n" for row in TABLE))


WRITERS: dict[str, Callable[[Path], None]] = {
    "source: jsonl, path: rows": as_jsonl,
    "source: csv, path: rows": as_csv,
    "source: parquet, path: rows": as_parquet,
    "source: text, path: rows, unit: line": as_lines,
}


@pytest.mark.parametrize("source", WRITERS)
def test_a_large_file_gives_the_same_rows_in_parts(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[source](tmp_path / "rows")
    whole = rows_of(read(tmp_path, source, "whole"), "rows")
    monkeypatch.setattr("tunesmith.run.sources.PART_BYTES", SIZE)
    seen: list[int] = []
    plan = lists.plan_source

    def planned(*given: Any) -> Any:
        seen.append(len(plan(*given)[0]))
        return plan(*given)

    monkeypatch.setattr(lists, "plan_source", planned)
    assert rows_of(read(tmp_path, source, "parts", workers=1), "rows") == whole
    assert seen[0] > 3
    assert len(whole) == 300
    assert all(row["origin"]["line"] for row in whole)  # type: ignore[index]


def test_a_file_in_many_parts_is_hashed_once(
    tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def noted(path: Path) -> str:
        hashed.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr("tunesmith.run.sources.file_sha256", noted)
    as_jsonl(tmp_path / "a.jsonl")
    as_jsonl(tmp_path / "b.jsonl")
    read(tmp_path, "source: jsonl, path: '*.jsonl'")
    assert hashed == ["a.jsonl", "b.jsonl"]


def test_a_rehearsal_takes_the_first_rows_of_each_file(tmp_path: Path, small_parts: None) -> None:
    as_jsonl(tmp_path / "a.jsonl")
    as_jsonl(tmp_path / "b.jsonl")
    rows = rows_of(read(tmp_path, "source: jsonl, path: '*.jsonl'", rows=20), "rows")
    places = [(row["origin"]["uri"], row["origin"]["line"]) for row in rows]  # type: ignore[index]
    assert places == [(name, line) for name in ("a.jsonl", "b.jsonl") for line in range(1, 11)]


def test_a_folder_of_notes_is_read_with_all_below_it(tmp_path: Path) -> None:
    for name in ("notes/b.md", "notes/deep/a.txt", "notes/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    rows = rows_of(read(tmp_path, "source: text, path: notes/"), "rows")
    assert [row["text"] for row in rows] == ["text of notes/b.md", "text of notes/deep/a.txt"]


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_files_behind_urls_are_read_and_known_by_their_content(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, small_parts: None
) -> None:
    content = "".join(json.dumps(row) + "\n" for row in TABLE).encode()
    memory.pipe("/raw/a.jsonl", content)
    memory.pipe("/raw/b.jsonl.gz", gzip.compress(content))
    first = read(tmp_path, "source: jsonl, path: 'memory://raw/*'", workers=1)
    assert [row["text"] for row in rows_of(first, "rows")] == [row["text"] for row in TABLE * 2]
    again = read(tmp_path, "source: jsonl, path: 'memory://raw/*'", workers=1)
    assert again.lists["rows"].folder == first.lists["rows"].folder
    memory.pipe("/raw/a.jsonl", content.replace(b"number 7", b"number x"))
    changed = read(tmp_path, "source: jsonl, path: 'memory://raw/*'", workers=1)
    assert changed.lists["rows"].folder != first.lists["rows"].folder


GOOD = '{"text": "good"}\n'
FAULTS = {
    "bytes.jsonl": b'{"text": "bad \xff"}\n' + GOOD.encode(),
    "surrogate.jsonl": b'{"text": "half \\ud800"}\n' + GOOD.encode(),
    "blank.jsonl": b"\n  \n" + GOOD.encode() + b"\r\n\n",
    "null.jsonl": b'{"text": null}\nnull\n' + GOOD.encode(),
    "type.jsonl": b'{"text": ["a"]}\n' + GOOD.encode(),
    "empty.jsonl": b"",
    "windows.jsonl": b"\xef\xbb\xbf" + GOOD.encode().replace(b"\n", b"\r\n"),
    "wide.jsonl": (GOOD * 3).encode("utf-16"),
    "cut.jsonl.gz": gzip.compress(GOOD.encode())[:-9],
    "cut.jsonl.zst": zstandard.ZstdCompressor().compress(GOOD.encode())[:-3],
}


def test_every_fault_of_a_file_costs_what_is_damaged_and_nothing_else(tmp_path: Path) -> None:
    for name, content in FAULTS.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jsonl").mkdir()
    outcome = read(tmp_path, "source: jsonl, path: '*.jsonl*'", workers=1)
    rows = rows_of(outcome, "rows")
    assert {row["text"] for row in rows} == {"good"}
    read_from = {row["origin"]["uri"] for row in rows}  # type: ignore[index]
    whole = {"bytes", "surrogate", "blank", "null", "type", "windows"}
    assert {f"{name}.jsonl" for name in whole} <= read_from
    errors = dict(told(outcome))
    assert len(told(outcome)) == 9
    assert errors["bytes.jsonl"].startswith("str is not valid UTF-8")
    assert "surrogate" in errors["surrogate.jsonl"]
    assert errors["null.jsonl"] == "a NoneType where a JSON object belongs"
    assert errors["type.jsonl"] == "text is list ['a'], not text"
    assert errors["empty.jsonl"] == "the file is empty"
    assert errors["wide.jsonl"] == "the file is UTF-16, not UTF-8"
    assert all("cut or damaged here" in errors[f"cut.jsonl.{kind}"] for kind in ("gz", "zst"))


def test_a_document_of_118_megabytes_is_one_record(tmp_path: Path) -> None:
    text = "long text \u00e9 " * (118_000_000 // 12)
    with gzip.open(tmp_path / "long.jsonl.gz", "wt", compresslevel=1, encoding="utf-8") as file:
        file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n" + GOOD)
    (long, short) = rows_of(read(tmp_path, "source: jsonl, path: long.jsonl.gz", workers=1), "rows")
    assert len(str(long["text"]).encode()) > 117_000_000
    assert short["text"] == "good"


def test_a_file_that_goes_away_before_it_is_read_stops_the_run_and_a_rerun_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text(GOOD)
    plan = lists.plan_source

    def planned_then_gone(*given: Any) -> Any:
        found = plan(*given)
        (tmp_path / "a.jsonl").unlink()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(lists, "plan_source", planned_then_gone)
        with pytest.raises(UserError, match=r"a\.jsonl: the file was there when the run began and is gone"):
            read(tmp_path, "source: jsonl, path: a.jsonl", workers=1)
    (tmp_path / "a.jsonl").write_text(GOOD)
    assert len(rows_of(read(tmp_path, "source: jsonl, path: a.jsonl"), "rows")) == 1
