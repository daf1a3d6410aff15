"""Files behind URLs are listed, opened and told apart like those on disk; what goes wrong on the way is no bad data."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import fsspec
import pytest
import zstandard
from fsspec.implementations.memory import MemoryFileSystem

from tunesmith.core.errors import UserError
from tunesmith.data.files import File, expand, lines, open_bytes, size_of
from tunesmith.data.urls import content_mark

FILES = {
    "/raw/a.jsonl": b"one\ntwo\n",
    "/raw/deep/b.jsonl.gz": gzip.compress(b"three\n"),
    "/raw/c.txt.zst": zstandard.ZstdCompressor().compress(b"four\n"),
}


@pytest.fixture(autouse=True)
def memory() -> Iterator[MemoryFileSystem]:
    system = fsspec.filesystem("memory")
    for name, content in FILES.items():
        system.pipe(name, content)
    yield system
    system.rm("/", recursive=True)


def uris(given: str | list[str], *suffixes: str) -> list[str]:
    return [file.uri for file in expand(given, Path(), suffixes)]


def test_an_address_a_pattern_and_a_folder_name_files() -> None:
    assert uris("memory://raw/a.jsonl") == ["memory:///raw/a.jsonl"]
    assert uris("memory://raw/*.jsonl") == ["memory:///raw/a.jsonl"]
    assert uris("memory://raw/**/*.jsonl*") == ["memory:///raw/a.jsonl", "memory:///raw/deep/b.jsonl.gz"]
    assert uris("memory://raw", ".jsonl") == ["memory:///raw/a.jsonl", "memory:///raw/deep/b.jsonl.gz"]
    assert uris(["memory://raw/a.jsonl", "memory://raw/*"]) == ["memory:///raw/a.jsonl", "memory:///raw/c.txt.zst"]


def test_what_is_read_is_the_same_as_from_disk() -> None:
    found = {file.uri: [line.raw for line in lines(file)] for file in expand("memory://raw/**/*.*", Path())}
    assert list(found.values()) == [[b"one\n", b"two\n"], [b"four\n"], [b"three\n"]]


def test_a_file_url_is_a_path_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"here\n")
    assert expand(f"file://{tmp_path}/*.txt", tmp_path) == [File(str(tmp_path / "a.txt"), "a.txt")]


def test_a_range_of_a_file_begins_at_its_first_line() -> None:
    file = File("memory:///raw/a.jsonl", "a.jsonl", 1)
    assert [(line.raw, line.number) for line in lines(file)] == [(b"two\n", None)]


def test_sizes_are_those_of_the_filesystem() -> None:
    assert size_of(File("memory:///raw/a.jsonl", "a.jsonl")) == 8


def test_a_member_of_an_archive_is_a_file_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("in/a.txt", "packed\n")
    (file,) = expand(f"zip://in/*.txt::file://{tmp_path}/all.zip", Path())
    assert [line.raw for line in lines(file)] == [b"packed\n"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("memory://raw/none.jsonl", "no file is found at 'memory://raw/none.jsonl'"),
        ("memory://raw/*.csv", "no file is found"),
        ("nosuch://a/b.jsonl", "Protocol not known: nosuch"),
    ],
)
def test_an_address_without_a_file_is_a_mistake(url: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        expand(url, Path())


def test_a_filesystem_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"class": "not_installed.System", "err": "Install not_installed to reach it"}
    monkeypatch.setitem(import_module("fsspec.registry").known_implementations, "far", missing)
    with pytest.raises(UserError, match="Install not_installed to reach it") as caught:
        expand("far://a/b.jsonl", Path())
    assert "pip" in caught.value.hint


def test_a_connection_that_breaks_stops_the_run_and_costs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    file = File("memory:///raw/deep/b.jsonl.gz", "b.jsonl.gz")
    stream = open_bytes(file)

    def broken(*_: object) -> bytes:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.read", broken)
    with pytest.raises(UserError, match=r"cannot be read on: ConnectionError: reset by peer"), stream:
        stream.read()


def test_the_mark_of_a_content_is_the_filesystems_own_or_its_hash(
    memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "memory:///raw/a.jsonl"
    first = content_mark(url)
    assert len(first) == 64  # a SHA-256
    memory.pipe("/raw/a.jsonl", b"one\nTWO\n")
    assert content_mark(url) != first
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_, **__: {"size": 8, "ETag": '"abc"', "mtime": 5})
    assert content_mark(url) == '8:ETag="abc"'
