"""Files are found by path or pattern, opened whatever their compression, and read line by line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from tunesmith.core.errors import UserError
from tunesmith.data.files import File, expand, lines, open_bytes, size_of
from tunesmith.data.sources.text import SUFFIXES

CONTENT = b"one\ntwo\nthree\n"


def test_a_pattern_names_its_files_in_order_with_uris_relative_to_the_recipe(tmp_path: Path) -> None:
    for name in ("raw/b.jsonl", "raw/a.jsonl", "raw/deep/c.jsonl", "raw/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(CONTENT)
    assert [file.uri for file in expand("raw/*.jsonl", tmp_path)] == ["raw/a.jsonl", "raw/b.jsonl"]
    assert [file.uri for file in expand("raw/**/*.jsonl", tmp_path)][-1] == "raw/deep/c.jsonl"
    both = expand(["raw/a.jsonl", "raw/*.jsonl", "raw/d.txt"], tmp_path)
    assert [file.uri for file in both] == ["raw/a.jsonl", "raw/b.jsonl", "raw/d.txt"]


def test_a_file_outside_the_recipes_folder_is_told_by_the_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "recipes [1]").mkdir()
    (tmp_path / "notes.jsonl").write_bytes(CONTENT)
    (tmp_path / "recipes [1]/own.jsonl").write_bytes(CONTENT)
    found = expand(["../notes.jsonl", str(tmp_path / "n*.jsonl"), "*.jsonl"], tmp_path / "recipes [1]")
    assert [file.uri for file in found] == ["../notes.jsonl", "own.jsonl"]


def test_a_misspelt_file_names_the_files_like_it(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"'tikets\.jsonl' does not exist") as caught:
        expand("tikets.jsonl", tmp_path)
    assert "tickets.jsonl" in caught.value.hint


def test_a_folder_names_the_files_below_it_that_its_source_reads(tmp_path: Path) -> None:
    for name in ("notes/b.md", "notes/deep/a.TXT", "notes/deep/c.txt.gz", "notes/picture.png", "notes/d.txt.d/e.rst"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(CONTENT)
    found = [file.uri for file in expand("notes/", tmp_path, SUFFIXES)]
    assert found == ["notes/b.md", "notes/d.txt.d/e.rst", "notes/deep/a.TXT", "notes/deep/c.txt.gz"]
    with pytest.raises(UserError, match=r"the folder 'notes' has no \.csv file in it") as caught:
        expand("notes", tmp_path, (".csv",))
    assert "b.md, d.txt.d/, deep/, picture.png" in caught.value.hint


def test_a_folder_with_the_name_of_a_file_is_not_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    (tmp_path / "b.jsonl").write_bytes(CONTENT)
    assert [file.uri for file in expand("*.jsonl", tmp_path)] == ["b.jsonl"]
    with pytest.raises(UserError, match=r"'a\.jsonl' is a folder"):
        expand("a.jsonl", tmp_path, ())


def test_a_pattern_without_files_and_a_folder_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.csv").write_bytes(CONTENT)
    with pytest.raises(UserError, match="no file matches") as nothing:
        expand("raw/*.jsonl", tmp_path)
    assert "a.csv" in nothing.value.hint
    with pytest.raises(UserError, match="is a folder") as folder:
        expand("raw", tmp_path, ())
    assert "raw/*" in folder.value.hint


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_content_is_the_same_plain_and_compressed(tmp_path: Path, suffix: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"file.txt{suffix}"
    path.write_bytes(pack(CONTENT))
    file = File(str(path), path.name)
    with open_bytes(file) as stream:
        assert stream.read() == CONTENT
    assert [(line.raw, line.number, line.offset) for line in lines(file)] == [
        (b"one\n", 1, 0),
        (b"two\n", 2, 4),
        (b"three\n", 3, 8),
    ]


def test_ranges_of_a_file_hold_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(CONTENT)
    for cut in range(len(CONTENT) + 1):
        parts = [File(str(path), "file.txt", 0, cut), File(str(path), "file.txt", cut)]
        assert [line.raw for part in parts for line in lines(part)] == [b"one\n", b"two\n", b"three\n"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_cut_file_gives_its_first_lines_and_then_one_error(tmp_path: Path, suffix: str) -> None:
    content = b"".join(b"line %d is %d long\n" % (number, number**5) for number in range(60_000))
    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"file.txt{suffix}"
    whole = pack(content)
    path.write_bytes(whole[: len(whole) // 2])
    *good, last = lines(File(str(path), path.name))
    assert len(good) > 10_000
    assert b"".join(line.raw for line in good) == content[: last.offset]
    assert "cut or damaged" in last.error
    assert last.number == len(good) + 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        ("a line\nanother\n".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        ("a line\nanother\n".encode("utf-16-be"), "the file is UTF-16, not UTF-8"),
    ],
)
def test_a_file_that_has_no_lines_of_text_is_told_once(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / ("a.txt.gz" if content[:2] == b"\x1f\x8b" else "a.txt")
    path.write_bytes(content)
    assert [line.error for line in lines(File(str(path), path.name))] == [problem]


def test_a_zero_byte_in_a_line_does_not_make_a_file_utf16(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\0line with one zero\n")
    assert [line.error for line in lines(File(str(tmp_path / "a.txt"), "a.txt"))] == [""]


def test_a_file_that_is_gone_since_it_was_found_stops_the_run(tmp_path: Path) -> None:
    file = File(str(tmp_path / "a.txt"), "a.txt")
    for touch in (lambda: list(lines(file)), lambda: size_of(file)):
        with pytest.raises(UserError, match=r"a\.txt: the file was there when the run began and is gone"):
            touch()
