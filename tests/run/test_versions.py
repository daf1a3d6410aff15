"""`tunesmith data version`: a folder that says what is in it, where it came from and why, and that can be checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.run.version_toys import SECRET, toy
from tests.running import cli, rows_of, run

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.core.hashing import file_sha256
from tunesmith.data.croissant import croissant
from tunesmith.data.version_files import DataFile, write_data
from tunesmith.run import Outcome
from tunesmith.run.push import push
from tunesmith.run.versions import make_version, verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome, Path]:
    """A workspace, what its run came to, and the version of its list texts."""
    folder = tmp_path_factory.mktemp("versions")
    outcome = run(toy(folder), folder / "ws", workers=1)
    return folder / "ws", outcome, make_version(folder / "ws", "kept.texts")


def rows_in(version: Path) -> list[dict[str, object]]:
    return [row for path in sorted((version / "data").iterdir()) for row in pq.read_table(path).to_pylist()]


def test_a_version_holds_the_kept_rows_by_part(made: tuple[Path, Outcome, Path]) -> None:
    _, outcome, version = made
    kept = rows_of(outcome, "texts")
    assert {str(row["id"]) for row in rows_in(version)} == {str(row["id"]) for row in kept}
    for part in ("train", "test"):
        of_part = pq.read_table(version / "data" / f"{part}-00000.parquet")["id"].to_pylist()
        assert of_part == [row["id"] for row in kept if row["part"] == part]


def test_the_manifest_tells_sources_steps_and_what_each_bound_excluded(made: tuple[Path, Outcome, Path]) -> None:
    facts = read_manifest(made[2]).facts
    sources: list[dict[str, object]] = facts["sources"]  # type: ignore[assignment]  # a list of two
    forum, pages = sources
    assert (forum["url"], forum["license"], forum["terms"]) == ("https://forum.example", "MIT", "ours")
    assert (forum["date"], forum["records"], forum["kept"]) == ("2024-05-01", 33, 31)
    assert (pages["url"], pages["license"], pages["date"], pages["version"]) == ("unknown",) * 4
    [bound] = [one for one in facts["selection"] if one["step"] == "words"]  # type: ignore[attr-defined]  # a list
    assert (bound["excluded"], bound["why"]) == (1, {"words: < min 2": 1})
    aside = [one["excluded"] for one in facts["selection"] if one["step"] == "quarantine"]  # type: ignore[attr-defined]  # a list
    assert aside == [2]
    steps = {step["as"]: step for artifact in facts["steps"] for step in artifact["steps"]}  # type: ignore[attr-defined]  # a list
    assert steps["split"]["parameters"] == {"parts": {"train": 0.6, "test": 0.4}}


def test_the_hashes_bytes_and_rows_of_files_are_true(made: tuple[Path, Outcome, Path]) -> None:
    version = made[2]
    manifest = read_manifest(version)
    assert {path: file_sha256(version / path) for path in manifest.files} == manifest.files
    told: Mapping[str, Mapping[str, int]] = manifest.facts["files"]  # type: ignore[assignment]  # a mapping
    for path, facts in told.items():
        assert facts == {"bytes": (version / path).stat().st_size, "rows": pq.read_metadata(version / path).num_rows}


def test_the_same_run_gives_the_same_bytes_with_two_workers_in_another_place(
    made: tuple[Path, Outcome, Path], tmp_path: Path
) -> None:
    run(toy(tmp_path), tmp_path / "other", workers=2)
    twin = make_version(tmp_path / "other", "kept.texts", tmp_path / "taken")
    files = {path.relative_to(twin).as_posix(): file_sha256(path) for path in twin.rglob("*") if path.is_file()}
    assert files == {path: file_sha256(made[2] / path) for path in files}
    assert read_manifest(twin).key == made[2].name


def test_a_part_that_is_large_is_several_files_with_the_same_rows(
    made: tuple[Path, Outcome, Path], tmp_path: Path
) -> None:
    texts = made[1].lists["texts"]
    files = write_data(texts, tmp_path, file_bytes=1)
    assert len({file.path for file in files}) == len(files) >= 2
    assert sum(file.rows for file in files) == texts.count()
    assert {file.path: file_sha256(tmp_path / file.path) for file in files} == {f.path: f.sha256 for f in files}


def test_a_damaged_missing_or_foreign_file_is_named(made: tuple[Path, Outcome, Path], tmp_path: Path) -> None:
    version = tmp_path / "version"
    shutil.copytree(made[2], version)
    assert verify(made[0], str(version))[1] == []
    (version / "README.md").write_text("other words")
    (version / "data" / "test-00000.parquet").unlink()
    (version / "note.txt").write_text("mine")
    done = cli("data", "version", version, "--verify")
    assert done.code == 2
    for told in ("README.md is damaged", "data/test-00000.parquet is missing", "note.txt is not of it"):
        assert told in done.err
    whole = cli("data", "version", made[2].name[:8], "--verify", "--workspace", made[0])
    assert (whole.code, "all 4 files are as they were written" in whole.out) == (0, True), whole.all


def test_a_version_is_never_written_over_something_else(made: tuple[Path, Outcome, Path], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        make_version(made[0], "kept.texts", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_croissant_names_every_file_with_its_hash_and_every_column(made: tuple[Path, Outcome, Path]) -> None:
    version = made[2]
    told = json.loads((version / "croissant.json").read_text())
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert told["datePublished"] == "2024-05-01"
    files = {one["contentUrl"]: one["sha256"] for one in told["distribution"]}
    assert files == {path: digest for path, digest in read_manifest(version).files.items() if path.startswith("data/")}
    [test, train] = told["recordSet"]
    columns = [field["@id"].partition("/")[2] for field in train["field"]]
    assert columns == pq.read_schema(version / "data" / "train-00000.parquet").names
    assert (test["@id"], train["@id"]) == ("test", "train")


def test_the_files_of_a_large_part_are_one_set_in_croissant() -> None:
    files = [DataFile(f"data/train-0000{n}.parquet", "train", "0" * 64, 10, 5) for n in (0, 1)]
    told = croissant("x", "k", files, pa.schema({"id": pa.string()}), licenses={}, date=None, description="d")
    [one_set] = [one for one in told["distribution"] if one["@type"] == "cr:FileSet"]  # type: ignore[attr-defined]  # a list
    assert one_set["includes"] == "data/train-*.parquet"
    records = told["recordSet"][0]  # type: ignore[index]  # a list
    assert records["field"][0]["source"]["fileSet"] == {"@id": one_set["@id"]}
    assert records["description"] == "10 records"


def test_a_hugging_face_folder_is_read_offline_by_datasets(made: tuple[Path, Outcome, Path], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    assert "reads it" in push(made[2], f"hf={tmp_path / 'there'}")
    loaded = datasets.load_dataset(str(tmp_path / "there" / "kept-texts"), cache_dir=str(tmp_path / "cache"))
    assert {part: rows.num_rows for part, rows in loaded.items()} == {
        part: len(rows_of(made[1], "texts", part)) for part in ("train", "test")
    }


def git(folder: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, env={**os.environ, **who})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_git_lfs_holds_pointers_in_git_and_the_data_beside_it(made: tuple[Path, Outcome, Path], tmp_path: Path) -> None:
    if subprocess.run(["git", "lfs", "version"], capture_output=True, check=False).returncode:
        pytest.skip("git-lfs is not installed")
    git(tmp_path, "init", "-q", "-b", "main", "repo")
    git(tmp_path / "repo", "config", "user.name", "t")
    git(tmp_path / "repo", "config", "user.email", "t@t")
    assert "committed with Git LFS" in push(made[2], f"lfs={tmp_path / 'repo'}")
    tracked = git(tmp_path / "repo", "lfs", "ls-files", "--name-only").split()
    assert tracked == ["kept-texts/data/test-00000.parquet", "kept-texts/data/train-00000.parquet"]
    pointer = git(tmp_path / "repo", "show", "HEAD:kept-texts/data/train-00000.parquet")
    assert read_manifest(made[2]).files["data/train-00000.parquet"] in pointer
    assert verify(made[0], str(tmp_path / "repo" / "kept-texts"))[1] == []
    assert "committed" in push(made[2], f"lfs={tmp_path / 'repo'}")  # the same again is no mistake


def test_dvc_adds_and_pushes_to_a_local_remote_from_which_it_comes_back(
    made: tuple[Path, Outcome, Path], tmp_path: Path
) -> None:
    dvc = shutil.which("dvc") or shutil.which("dvc", path=str(Path(sys.executable).parent))
    if dvc is None:
        pytest.skip("dvc is not installed")
    project = tmp_path / "project"
    project.mkdir()
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}

    def run_dvc(*arguments: str) -> None:
        subprocess.run([str(dvc), *arguments], cwd=project, check=True, capture_output=True, env=quiet)

    with pytest.raises(UserError, match="is no DVC project"):
        push(made[2], f"dvc={project}")
    run_dvc("init", "--no-scm")
    with pytest.raises(UserError, match="has no remote"):
        push(made[2], f"dvc={project}")
    run_dvc("remote", "add", "-d", "here", str(tmp_path / "remote"))
    assert "added to DVC and pushed" in push(made[2], f"dvc={project}")
    assert (project / "kept-texts.dvc").is_file()
    shutil.rmtree(project / "kept-texts")
    shutil.rmtree(project / ".dvc" / "cache")
    run_dvc("pull")
    assert verify(made[0], str(project / "kept-texts"))[1] == []


def test_a_tool_that_is_missing_is_told_with_how_to_get_it(
    made: tuple[Path, Outcome, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(UserError, match=r"pip install 'tunesmith\[dvc\]'"):
        push(made[2], f"dvc={tmp_path}")
    with pytest.raises(UserError, match="dvc=PROJECT"):
        push(made[2], "s3=bucket")


def test_no_text_of_a_record_stands_in_manifest_card_or_metadata(made: tuple[Path, Outcome, Path]) -> None:
    for name in ("manifest.json", "README.md", "croissant.json"):
        assert SECRET not in (made[2] / name).read_text()
