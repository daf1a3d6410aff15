"""Items of benchmarks: read from any kind of file, each with its place; what cannot be read is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.passes.stream_toys import ids_of, stream_of

from tunesmith.core.errors import UserError
from tunesmith.data.benchmarks import items_of


def write(path: Path, content: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"question": "Why?", "n": 1}\n\n{"question": "How?"}\n'),
        ("a.jsonl.gz", gzip.compress(b'{"question": "Why?"}\n\n{"question": "How?"}\n', mtime=0)),
        ("a.csv", 'question,n\n"Why?",1\n\nHow?,2\n'),
        ("a.tsv", "question\tn\nWhy?\t1\n\nHow?\t2\n"),
        ("a.json", '[{"question": "Why?"}, {"question": "How?"}]'),
        ("a.txt", "Why?\n\nHow?\n"),
    ],
)
def test_every_kind_of_file_gives_its_texts(tmp_path: Path, name: str, content: str | bytes) -> None:
    fields = None if name == "a.txt" else ["question"]
    assert [item.text.strip() for item in items_of([write(tmp_path / name, content)], fields)] == ["Why?", "How?"]


def test_parquet_and_nested_texts(tmp_path: Path) -> None:
    rows = [{"turns": ["First", "Second"], "choices": {"text": ["A", "B"], "label": [1, 2]}, "none": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = items_of([str(tmp_path / "a.parquet")])
    assert [(item.place, item.text) for item in found] == [
        ("a.parquet:1 turns", "First\nSecond"),
        ("a.parquet:1 choices", "A\nB"),
    ]


def test_places_name_file_line_and_field_and_not_where_the_files_lie(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "test.jsonl", '{"question": "Why?"}\n{"question": "How?", "answer": "So."}\n')
    found = [item.place for item in items_of([str(tmp_path / "*/*.jsonl")])]
    assert found == [
        f"{name}/test.jsonl:{place}" for name in ("one", "two") for place in ("1 question", "2 question", "2 answer")
    ]


def test_the_items_of_another_list_are_its_documents_prompts_and_answers(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    stream = stream_of([{"messages": turns}], [{"text": "A document"}], scratch=tmp_path)
    first, second = ids_of(stream)
    found = [(item.benchmark, item.row, item.field, item.text) for item in items_of(stream)]
    assert found == [
        ("toys", first, "prompt", "Why?"),
        ("toys", first, "answer", "So."),
        ("toys", second, "text", "A document"),
    ]
    assert [item.text for item in items_of(stream, ["answer"])] == ["So."]
    with pytest.raises(UserError, match="no field 'question'"):
        items_of(stream, ["question"])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", '{"question": "Why?"}\n{"question": \n', r"a\.jsonl:2: the line cannot be read"),
        ("a.jsonl", "[1]\n", r"a\.jsonl: a list where a JSON object belongs"),
        ("a.jsonl", "", r"a\.jsonl: the benchmark cannot be read: the file is empty"),
        ("a.jsonl.gz", gzip.compress(b'{"question": "Why?"}\n' * 99, mtime=0)[:-9], r"a\.jsonl.*cut or damaged"),
        ("a.json", "[{]", r"a\.json: the benchmark cannot be read"),
        ("a.csv", b"question\n\xff\n", r"a\.csv: the benchmark cannot be read"),
        ("a.parquet", b"PAR1", r"a\.parquet: the benchmark cannot be read"),
        ("a.docx", b"PK", r"a\.docx: no benchmark is read from \.docx"),
        ("a.jsonl", '{"question": 1}\n', r"a\.jsonl: the benchmark has no text\."),
    ],
)
def test_a_benchmark_that_cannot_be_read_is_a_mistake_that_names_it(
    tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        items_of([write(tmp_path / name, content)])


def test_a_field_that_no_row_has_is_told_with_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"prompt": "Why?", "n": 1}\n')
    with pytest.raises(UserError, match=r"a\.jsonl: the benchmark has no text in question") as told:
        items_of([path], ["question"])
    assert told.value.hint == "Its fields: prompt, n."


def test_a_pattern_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'\*\.jsonl' names no file"):
        items_of([str(tmp_path / "*.jsonl")])
