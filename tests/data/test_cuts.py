"""Large files cut into parts: whatever the size of the parts, the records are those of the whole file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources import csv, jsonl, text

ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Rows = list[Record]


def rows_of(source: ModuleType, file: File, parameters: dict[str, object]) -> Rows:
    return list(getattr(source, source.__name__.rpartition(".")[2])(file, **parameters))


def check_parts(source: ModuleType, file: File, sizes: Iterable[int], **parameters: object) -> None:
    """The parts of each size give, together, what the whole file does, with the same lines and offsets."""
    whole = rows_of(source, file, parameters)
    for size in sizes:
        parts = source.split(file, size, **parameters)
        assert [row for part in parts for row in rows_of(source, part, parameters)] == whole


def written(folder: Path, content: bytes, name: str) -> File:
    (folder / name).write_bytes(content)
    return File(str(folder / name), name)


LINE = st.sampled_from(
    [b'{"text": "a"}', b'{"text": "\xc3\xa4 long one, so that it is longer"}', b"{", b"", b" \r", b"\xff"]
)


@ANY
@given(st.lists(LINE, max_size=12), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.sampled_from([b"", b"\n"]))
def test_lines(tmp_path: Path, lines: list[bytes], mark: bytes, end: bytes) -> None:
    file = written(tmp_path, mark + b'{"text": "first"}\n' + b"\n".join(lines) + end, "a.jsonl")
    check_parts(jsonl, file, (1, 7, 40))


@ANY
@given(st.lists(st.sampled_from([b"one", b"two words", b"", b"  ", b"\xff\r"]), max_size=14))
def test_paragraphs_and_lines_of_text(tmp_path: Path, lines: list[bytes]) -> None:
    file = written(tmp_path, b"begin\n" + b"\n".join(lines), "a.txt")
    check_parts(text, file, (1, 5, 20), unit="paragraph")
    check_parts(text, file, (1, 5, 20), unit="line")


@ANY
@given(st.text(alphabet='a",\n\r ;', max_size=60), st.sampled_from([",", ";"]))
def test_tables_with_line_ends_and_odd_quotes_in_their_fields(tmp_path: Path, body: str, sign: str) -> None:
    header = f"text{sign}n\nfirst{sign}1\n"
    file = written(tmp_path, (header + body).encode(), "a.csv")
    check_parts(csv, file, (1, 9, 30), delimiter=sign)


def test_a_quoted_field_of_many_lines_is_never_cut(tmp_path: Path) -> None:
    rows = [f'"line one of {n}\nsaid ""{n}""\n\nend",{n}\n' for n in range(200)]
    file = written(tmp_path, b"\xef\xbb\xbf" + "".join(["text,n\n", *rows]).encode(), "a.csv")
    parts = csv.split(file, 1000)
    assert len(parts) > 5
    assert [part.lines_before for part in parts[1:]] == [1 + 4 * int(row["meta"]["n"]) for row in firsts(parts)]
    check_parts(csv, file, (1000,))


def firsts(parts: list[File]) -> list[dict[str, dict[str, str]]]:
    """The first record of each part but the first."""
    return [next(csv.csv(part)) for part in parts[1:]]  # type: ignore[misc]  # records of this test


@pytest.mark.parametrize("block", [1, 3, 1 << 24])
def test_the_blocks_in_which_a_file_is_looked_through_do_not_matter(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.data.cuts.BLOCK_BYTES", block)
    check_parts(csv, written(tmp_path, b'text,n\n"a\n""b"",",1\nc,2\n"d\n",3\n', "a.csv"), range(1, 20))
    check_parts(jsonl, written(tmp_path, b'{"text": "a"}\n\n{"text": "b"}\n{"text": "c"}\n', "a.jsonl"), range(1, 20))


def test_compressed_and_utf16_files_and_documents_that_are_files_stay_whole(tmp_path: Path) -> None:
    rows = b'{"text": "a"}\n' * 50
    cuts: list[tuple[Callable[[File, int], list[File]], bytes, str]] = [
        (jsonl.split, gzip.compress(rows, mtime=0), "a.jsonl.gz"),
        (jsonl.split, rows.decode().encode("utf-16"), "wide.jsonl"),
        (csv.split, gzip.compress(b"text\na\n" * 50, mtime=0), "a.csv.gz"),
        (partial(csv.split, delimiter="§"), "text§n\na§1\n".encode() * 50, "b.csv"),
        (text.split, rows, "a.txt"),
    ]
    for split, content, name in cuts:
        file = written(tmp_path, content, name)
        assert split(file, 10) == [file]


def test_parts_are_of_about_the_size_that_was_asked_for(tmp_path: Path) -> None:
    rows = b"".join(json.dumps({"text": "x" * (n % 90)}).encode() + b"\n" for n in range(2000))
    parts = jsonl.split(written(tmp_path, rows, "a.jsonl"), 10_000)
    sizes = [(part.end or len(rows)) - part.start for part in parts]
    assert len(parts) == -(-len(rows) // 10_000)
    assert max(sizes) <= 10_000 + 120
