"""An artifact exists once its manifest does, and its manifest knows every byte of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tunesmith.core.artifact import (
    MANIFEST,
    Manifest,
    damaged,
    files_of,
    finish,
    is_done,
    read_manifest,
    replacing,
    write_json,
)
from tunesmith.core.errors import UserError

PLAIN = Manifest("dataset", "notes", "0123", "stretch", 1, {"b": 1, "a": [1.0]}, counts={"in": 3}, facts={"shards": 2})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "00000.parquet").write_bytes(b"rows")
    (tmp_path / "counts.json").write_text("{}")
    return tmp_path


def test_a_folder_without_a_manifest_does_not_exist(folder: Path) -> None:
    assert not is_done(folder)
    with pytest.raises(UserError, match="holds no finished artifact"):
        read_manifest(folder)
    finish(folder, PLAIN)
    assert is_done(folder)


def test_a_manifest_comes_back_as_it_was_with_the_hash_of_every_file(folder: Path) -> None:
    whole = finish(folder, PLAIN)
    assert set(whole.files) == {"shards/00000.parquet", "counts.json"}
    assert read_manifest(folder) == whole
    assert replace(whole, files={}) == PLAIN
    assert (folder / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes().strip() + b"\n"


def test_the_same_artifact_has_the_same_manifest_bytes(folder: Path) -> None:
    finish(folder, PLAIN)
    first = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).unlink()
    finish(folder, replace(PLAIN, parameters={"a": [1], "b": 1.0}))
    assert (folder / MANIFEST).read_bytes() == first


def test_damaged_and_missing_files_are_found(folder: Path) -> None:
    finish(folder, PLAIN)
    assert damaged(folder) == []
    (folder / "shards" / "00000.parquet").write_bytes(b"r0ws")
    (folder / "counts.json").unlink()
    assert sorted(damaged(folder)) == ["counts.json", "shards/00000.parquet"]


def test_unfinished_files_are_no_part_of_an_artifact(folder: Path) -> None:
    (folder / "shards" / "00001.parquet.77.tmp").write_bytes(b"half")
    assert [path.name for path in files_of(folder)] == ["counts.json", "00000.parquet"]
    assert len(finish(folder, PLAIN).files) == 2


def test_a_manifest_of_a_newer_version_is_refused_and_an_older_one_is_read(folder: Path) -> None:
    finish(folder, replace(PLAIN, schema_version=2))
    with pytest.raises(UserError, match="written by a newer tunesmith"):
        read_manifest(folder)
    finish(folder, replace(PLAIN, schema_version=0))
    assert read_manifest(folder).name == "notes"


def test_a_file_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("half\udc00", "utf-8")
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_json_is_for_people_to_read_and_the_same_for_equal_values(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1.0, "a": "ß"})
    write_json(tmp_path / "b.json", {"a": "ß", "b": 1})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n "a": "ß",\n "b": 1\n}\n'
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
