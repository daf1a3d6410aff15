"""A run that dies before any one of its files takes its place goes on to the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.running import artifacts, bytes_of, differences, run, write_recipe, write_rows

from tunesmith.core.errors import UserError
from tunesmith.run.lock import locked

RECIPE = """
name: torn
data:
  texts:
    - {source: jsonl, path: '*.jsonl'}
    - {edit: redact_pii}
    - {signal: words, keep: {max: p90}}
    - {pass: exact_dedup}
    - {pass: split, parts: {train: 0.6, test: 0.4}}
  halves:
    - {from: texts.train}
    - {make: ./mine.py:halves}
    - {signal: characters, keep: {min: 3}}
"""
MINE = """
def halves(record):
    words = record["text"].split()
    middle = len(words) // 2
    return [{"text": " ".join(words[:middle])}, {"text": " ".join(words[middle:])}] if middle else []
"""


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


class Death:
    """Dies when the nth file is about to take its place; what is dead cleans nothing up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        self.dead = False
        replace, unlink = Path.replace, Path.unlink

        def dying(path: Path, target: Path) -> Path:
            self.left -= 1
            if self.left == 0 or self.dead:
                self.dead = True
                raise Killed
            return replace(path, target)

        def cleaning(path: Path, missing_ok: bool = False) -> None:
            if not self.dead:
                unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "replace", dying)
        monkeypatch.setattr(Path, "unlink", cleaning)


def torn(folder: Path) -> Path:
    """Files whose shards differ in their columns, share equal rows, and hold one that cannot be read."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    plain = [{"text": " ".join(words[: 1 + n % 12])} for n in range(40)]
    write_rows(folder / "a.jsonl", plain)
    rich = [{**row, "stars": n, "license": "MIT"} for n, row in enumerate(plain)]
    write_rows(folder / "b.jsonl", [*rich, {"text": "write to ann@example.com"}, *plain[:3]])
    with (folder / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write("{torn\n")
    (folder / "mine.py").write_text(MINE, "utf-8")
    return write_recipe(folder, RECIPE)


def test_death_before_any_file_takes_its_place_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = torn(tmp_path)
    run(recipe, tmp_path / "whole", workers=1)
    wanted = bytes_of(tmp_path / "whole")
    assert any(path.endswith("equal_ids.npy") for path in wanted)
    deaths = 0
    while True:
        workspace = tmp_path / f"death_{deaths}"
        with monkeypatch.context() as patch:
            death = Death(patch, at=deaths + 1)
            try:
                run(recipe, workspace, workers=1)
            except Killed:
                deaths += 1
        run(recipe, workspace, workers=1)
        assert differences(wanted, bytes_of(workspace)) == [], f"died before file {deaths}"
        if not death.dead:
            break
    assert deaths > 20


def test_a_folder_without_a_manifest_is_made_anew_and_one_with_it_is_left_alone(tmp_path: Path) -> None:
    recipe = torn(tmp_path)
    run(recipe, tmp_path / "ws", workers=1)
    wanted = bytes_of(tmp_path / "ws")
    [split] = [
        folder for folder in artifacts(tmp_path / "ws") if "pass split" in (folder / "manifest.json").read_text()
    ]
    (split / "manifest.json").unlink()
    (split / "shards" / "00001.parquet").write_bytes(b"half a shard")
    (split / "shards" / "00001.parquet.123.tmp").write_bytes(b"less than half")
    run(recipe, tmp_path / "ws", workers=1)
    assert differences(wanted, bytes_of(tmp_path / "ws")) == []


def test_the_lock_of_a_process_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with locked(tmp_path):
            os._exit(9)
    os.waitpid(pid, 0)
    assert (tmp_path / ".lock").read_text() == str(pid)
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
        with pytest.raises(UserError, match=rf"in use by another run \(process {os.getpid()}\)"), locked(tmp_path):
            pass
