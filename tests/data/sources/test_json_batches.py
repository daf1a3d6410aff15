"""Large files of JSON lines are read in batches; the records are those that orjson reads, to the byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import UserError
from tunesmith.data.files import File
from tunesmith.data.rows import columnar_batch, to_batch
from tunesmith.data.sources import jsonl

ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = 1 << 40  # so large that no file is read in batches


def read(
    file: File, monkeypatch: pytest.MonkeyPatch, *, large: int, **parameters: Any
) -> tuple[list[dict[str, object]], list[Mapping[str, object]], int]:
    """The records, the quarantine and the number of batches, with files read in batches from a size on."""
    monkeypatch.setattr(jsonl, "LARGE_BYTES", large)
    rows: list[dict[str, object]] = []
    quarantine: list[Mapping[str, object]] = []
    batches = 0
    for item in jsonl.jsonl(file, **parameters):
        if isinstance(item, pa.RecordBatch):
            batch, unfit = columnar_batch(item, source="s", domain="d", license="MIT")
            batches += 1
        else:
            batch, unfit = to_batch([item], source="s", domain="d", license="MIT")
        rows += [{name: value for name, value in row.items() if value is not None} for row in batch.to_pylist()]
        quarantine += unfit
    return rows, quarantine, batches


def check_same(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> int:
    """That both ways of reading come to the same, or to the same error; gives how many batches there were."""
    (folder / "a.jsonl").write_bytes(content)
    file = File(str(folder / "a.jsonl"), "a.jsonl")
    found = []
    for large in (1, WHOLE):
        try:
            found.append(read(file, monkeypatch, large=large, **parameters))
        except UserError as error:
            found.append(([{"error": str(error)}], [], 0))
    (rows, quarantine, batches), (slow_rows, slow_quarantine, _) = found
    assert rows == slow_rows
    assert quarantine == slow_quarantine
    return batches


NAMES = st.sampled_from(
    ["text", "id", "n", "license", "group", "date", "target", "messages", "meta", "é", "url", "a b"]
)
SIGNS = st.sampled_from(["a", "long enough to fill a register ", '"', "\\", "/", "\n", "\u0007", "é", "😀", "\ud800"])
TEXTS = st.lists(SIGNS, max_size=8).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line as some writer writes it, now and then damaged."""
    row = {**draw(st.dictionaries(NAMES, VALUES, max_size=5)), "text": draw(TEXTS | TEXTS | TEXTS | VALUES)}
    order = draw(st.permutations(list(row)))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))
    text = json.dumps({name: row[name] for name in order}, ensure_ascii=draw(st.booleans()), separators=separators)
    line = text.encode("utf-8", "surrogatepass") + draw(st.sampled_from([b"", b"\r", b" "]))
    fault = draw(st.sampled_from(["", "", "", "", "cut", "byte", "extra", "blank", "twice"]))
    place = draw(st.integers(0, len(line)))
    faults = {"cut": line[:place], "byte": line[:place] + b"\xff" + line[place:], "extra": line + b"}"}
    more = {"blank": b" ", "twice": line.strip()[:-1] + b', "text": "again"}'}
    return {**faults, **more}.get(fault, line)


@ANY
@given(
    st.lists(lines(), max_size=6),
    st.sampled_from(
        [{}, {"id": "id"}, {"columns": ["n", "license", "id"]}, {"id": "n", "columns": []}, {"text": "url"}]
    ),
    st.sampled_from([b"", b"\n", b"\xef\xbb\xbf"]),
)
def test_any_lines_give_the_records_that_orjson_gives(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    some: Sequence[bytes],
    parameters: dict[str, object],
    around: bytes,
) -> None:
    monkeypatch.setattr("tunesmith.data.sources._json_batches.MANY", 1)  # odd lines stand between batches
    monkeypatch.setattr("tunesmith.data.rows.LARGE_BYTES", 1)
    mark, end = (around, b"") if around != b"\n" else (b"", around)
    good = b'{"text": "good", "id": "k", "url": "u", "n": 7}\n'
    check_same(tmp_path, mark + good + b"\n".join(some) + end, monkeypatch, **parameters)


LITERALS = ["0", "-0", "-5", "007", "1.50", "1e3", "-", "12345678901234567890123", "true", "nul", "null", "[]", "{}",
            "[1, 2.0]", '{"b": 1, "a": [2.50, "]"]}',
            '"plain"', '"\\u00e9\\n"', '"\\x"', '"\t"', "[}", "1 2", "", "[1"]  # fmt: skip
ESCAPES = ["\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041", "\\u00g0", "\\u00", "\\x",
           "\\/", '\\"', "\\\\", "\\b\\f\\n\\r\\t", "\\u0000", "\\uFFFF", "\\u0800",
           "\\u007f", "\x01", "\\"]  # fmt: skip


@pytest.mark.parametrize("value", LITERALS)
def test_other_fields_are_written_as_orjson_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    rows = [
        f'{{"z": 1, "text": "a", "v": {value}}}',
        f'{{"v":{value},"text":"a"}}',
        f'{{"text":"a","license":{value}}}',
    ]
    content = b'{"text": "good", "id": 1}\n' * 70 + "\n".join(rows).encode()
    assert check_same(tmp_path, content, monkeypatch) >= 1
    check_same(tmp_path, content, monkeypatch, columns=["z"])
    check_same(tmp_path, content + f'\n{{"text": "b", "id": {value}}}'.encode(), monkeypatch, id="id")


@pytest.mark.parametrize("escape", ESCAPES)
def test_escapes_in_the_text_are_those_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, escape: str) -> None:
    rows = [f'{{"text": "{before}{escape}{after}"}}' for before in ("", "x" * 15, "x" * 40) for after in ("", "y" * 20)]
    content = b'{"text": "good"}\n' * 150 + "\n".join(rows).encode()
    assert check_same(tmp_path, content, monkeypatch) >= 1


def test_lines_that_differ_stand_in_their_place_between_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {30: b'{"text": "own", "tools": []}', 31: b"", 60: b"\xff", 61: b'{"messages": []}'}
    rows = [odd.get(number, b'{"text": "row %d", "n": 1.0}' % number) for number in range(100)]
    assert check_same(tmp_path, b"\n".join(rows), monkeypatch) == 3


def test_where_many_lines_are_odd_all_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [b'{"text": "a", "tools": []}' if number % 10 == 0 else b'{"text": "a"}' for number in range(100)]
    assert check_same(tmp_path, b"\n".join(rows), monkeypatch) == 0


def test_a_key_or_a_text_that_is_a_column_as_well_is_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b'{"target": "a", "group": "g", "text": "b"}\n' * 50
    assert check_same(tmp_path, content, monkeypatch, text="target") == 0
    assert check_same(tmp_path, content, monkeypatch, id="group") == 0


def test_batches_hold_a_thousand_records_and_lines_keep_their_numbers_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 40_000)
    content = b"".join(b'{"text": "row number %d"}\n\n' % number for number in range(5000))
    assert check_same(tmp_path, content, monkeypatch) > 4
    sizes = [item.num_rows for item in jsonl.jsonl(File(str(tmp_path / "a.jsonl"), "a")) if hasattr(item, "num_rows")]
    assert max(sizes, default=0) <= 1000


def test_a_file_in_which_no_line_has_the_text_is_a_mistake_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"body": "a"}\n' * 50)
    with pytest.raises(UserError, match="no row has a column 'text'"):
        read(File(str(tmp_path / "a.jsonl"), "a.jsonl"), monkeypatch, large=1)
