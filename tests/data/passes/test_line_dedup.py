"""Repeated lines: which are taken out, of which documents, and what is told of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.passes.stream_toys import Rows, column, stream_of, texts

from tunesmith.core.bound import parse_bound
from tunesmith.core.errors import UserError
from tunesmith.data.passes import _repeated_lines
from tunesmith.data.passes.line_dedup import KEEP, check, line_dedup

NOTICE = "© 2020 The Daily. All rights reserved."


def found_of(
    *shards: Rows, scratch: Path, workers: int = 1, **options: object
) -> tuple[list[object], dict[str, object]]:
    """The tables of a pass, and what it found."""
    tables, passing = [], line_dedup(stream_of(*shards, scratch=scratch, workers=workers), **options)  # type: ignore[arg-type]
    while True:
        try:
            tables.append(next(passing))
        except StopIteration as end:
            return tables, dict(end.value)


def plain(documents: Sequence[str], *, least: int, shortest: int, keep_first: bool) -> list[str]:
    """The same in plain Python."""

    def key(line: str) -> str | None:
        bare = line.strip()
        is_code = not line or line[0].isspace()
        return bare if not is_code and len(bare) >= shortest and any(map(str.isalnum, bare)) else None

    frequency = Counter(found for text in documents for found in {key(line) for line in text.split("\n")} - {None})
    repeated = {line for line, count in frequency.items() if count >= least}
    kept_in = {
        line: next(n for n, text in enumerate(documents) if line in map(key, text.split("\n"))) for line in repeated
    }
    out = []
    for number, text in enumerate(documents):
        pieces = text.split("\n")
        ended = [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
        stay = [
            piece
            for piece in ended
            if key(piece.removesuffix("\n")) not in repeated
            or (keep_first and kept_in[key(piece.removesuffix("\n"))] == number)
        ]
        kept = "".join(stay)
        if len(stay) < len(ended) and not text.endswith("\n") and kept.endswith("\n"):
            kept = kept.removesuffix("\n").removesuffix("\r")
        out.append(kept)
    return out


def test_a_line_of_many_documents_is_taken_out_and_the_text_around_it_stays(tmp_path: Path) -> None:
    given = [f"Story {n}\n\nIt rained on day {n}.\n{NOTICE}\n" for n in range(4)]
    tables, found = found_of(texts(*given[:1]), texts(*given[1:], "Nothing to see."), scratch=tmp_path, documents=4)
    assert column(tables, "text") == [f"Story {n}\n\nIt rained on day {n}.\n" for n in range(4)] + ["Nothing to see."]
    assert column(tables, "lines") == [1, 1, 1, 1, 0]
    assert column(tables, "share")[4] == 0.0
    signs = len("".join(NOTICE.split()))
    assert column(tables, "share")[0] == signs / (signs + len("Story0Itrainedonday0."))
    assert found["sentences"] == [
        "Lines that stand in 4 or more of 5 documents: 1.",
        f"Taken out: 4 lines, {4 * signs} characters, from 4 documents, of which nothing is left of 0.",
    ]
    assert found["tables"][0]["rows"] == [[NOTICE, 4]]  # type: ignore[index]


def test_a_line_counts_once_a_document_and_must_stand_in_enough_of_them(tmp_path: Path) -> None:
    given = texts(f"{NOTICE}\n{NOTICE}\n{NOTICE}", NOTICE, "other")
    tables, found = found_of(given, scratch=tmp_path, documents=3)
    assert column(tables, "lines") == [0, 0, 0]
    assert found["repeated"] == 0


def test_a_share_of_the_documents_can_be_asked_for(tmp_path: Path) -> None:
    given = texts(*[NOTICE] * 3, *(f"text {n}" for n in range(7)), *[None] * 5)  # type: ignore[list-item]  # rows without
    rows = [row if row["text"] is not None else {"messages": [{"role": "user", "content": "q"}]} for row in given]
    assert sum(column(found_of(rows, scratch=tmp_path / "a", documents=2, share=0.3)[0], "lines")[:10]) == 3  # type: ignore[arg-type]
    assert sum(column(found_of(rows, scratch=tmp_path / "b", documents=2, share=0.31)[0], "lines")[:10]) == 0  # type: ignore[arg-type]


def test_rules_brackets_short_lines_and_indented_code_stay(tmp_path: Path) -> None:
    text = "a title\n----------------------\n}\n______________________\n\n    return the whole of the result\n"
    tables, _ = found_of(texts(*[text] * 9), scratch=tmp_path, documents=2)
    assert column(tables, "text") == [text] * 9
    assert column(tables, "share") == [0.0] * 9


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"one\r\n{NOTICE}\r\ntwo\r\n", "one\r\ntwo\r\n"),
        (f"one\r\n{NOTICE}", "one"),
        (f"one\n{NOTICE}", "one"),
        (f"{NOTICE}\none", "one"),
        (f"one\n\n{NOTICE}", "one\n"),
        (f"{NOTICE} \u3000\t", ""),
        (f"{NOTICE}\n", ""),
        (f"\n{NOTICE}\n\n", "\n\n"),
        (f"one\n {NOTICE}", f"one\n {NOTICE}"),
        ("", ""),
    ],
)
def test_line_ends_stay_as_they_were(tmp_path: Path, text: str, left: str) -> None:
    tables, _ = found_of(texts(text, NOTICE, NOTICE, "more"), scratch=tmp_path, documents=2)
    assert column(tables, "text") == [left, "", "", "more"]


def test_a_document_of_nothing_else_is_dropped_by_default_and_an_empty_one_is_not(tmp_path: Path) -> None:
    tables, found = found_of(texts(NOTICE, f"\n{NOTICE}\n", "", f"{NOTICE}\nx"), scratch=tmp_path, documents=2)
    bound = parse_bound(KEEP["share"], "test")
    assert [bound.fault(value) is None for value in column(tables, "share")] == [False, False, True, True]  # type: ignore[arg-type]
    assert found["emptied"] == 2


def test_the_first_document_keeps_the_line_when_asked(tmp_path: Path) -> None:
    given = texts("a", f"b\n{NOTICE}\n{NOTICE}"), texts(f"c\n{NOTICE}", f"d\n{NOTICE}")
    tables, _ = found_of(*given, scratch=tmp_path, documents=2, keep_first=True)
    assert column(tables, "text") == ["a", f"b\n{NOTICE}\n{NOTICE}", "c", "d"]


def test_conversations_are_not_measured_and_a_list_of_them_is_a_mistake(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": NOTICE}]}
    tables, _ = found_of([talk, *texts(NOTICE, NOTICE)], scratch=tmp_path / "a", documents=2)
    assert [column(tables, name) for name in ("text", "lines", "share")] == [[None, "", ""], [None, 1, 1], [None, 1, 1]]
    with pytest.raises(UserError, match="no record has a text"):
        found_of([talk], scratch=tmp_path / "b")


def test_empty_shards_and_lists_have_no_lines(tmp_path: Path) -> None:
    tables, found = found_of([], [], scratch=tmp_path / "a")
    assert [table.num_rows for table in tables] == [0, 0]  # type: ignore[attr-defined]
    assert found["repeated"] == 0
    tables, _ = found_of([], texts("", ""), [], scratch=tmp_path / "b")
    assert column(tables, "text") == ["", ""]


def test_excerpts_are_redacted(tmp_path: Path) -> None:
    _, found = found_of(texts(*["Write to jo@example.org for more of this."] * 3), scratch=tmp_path, documents=2)
    assert found["tables"][0]["rows"] == [["Write to <EMAIL_ADDRESS> for more of this.", 3]]  # type: ignore[index]


@pytest.mark.parametrize("mistake", [{"documents": 1}, {"share": 1.5}, {"share": -0.1}, {"shortest": 0}])
def test_numbers_that_name_no_line_are_mistakes(mistake: dict[str, float]) -> None:
    check()
    with pytest.raises(UserError, match=f"line_dedup: {next(iter(mistake))} is"):
        check(**mistake)  # type: ignore[arg-type]


LINES = [
    "Home | News | Contact",
    "Größe und Gewicht",
    "日本語の行です",
    "}",
    "---",
    "  indented line",
    "x",
    "",
    "a b\x85",
    "a b",
]
DOCUMENTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(LINES), max_size=7), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n"])
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS, st.integers(2, 4), st.sampled_from([0.0, 0.25]), st.integers(1, 4), st.booleans(), st.integers(1, 4))
def test_the_texts_are_those_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[list[str], str, str]],
    documents: int,
    share: float,
    shortest: int,
    keep_first: bool,
    cut: int,
) -> None:
    given = [end.join(lines) + last for lines, end, last in parts]
    shards = [texts(*given[start : start + cut]) for start in range(0, len(given), cut)]
    scratch = tmp_path_factory.mktemp("lines")
    options = {"documents": documents, "share": share, "shortest": shortest, "keep_first": keep_first}
    tables, _ = found_of(*shards, scratch=scratch, **options)
    least = max(documents, math.ceil(share * len(given)))
    assert column(tables, "text") == plain(given, least=least, shortest=shortest, keep_first=keep_first)


@pytest.mark.parametrize("keep_first", [False, True])
def test_workers_cuts_and_partitions_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_first: bool
) -> None:
    given = [
        "\n".join([f"own line number {n}", *(f"line of {k} and more text" for k in range(2, 9) if n % k == 0)])
        for n in range(900)
    ]
    options = {"documents": 120, "keep_first": keep_first}
    shards = [texts(*given[start : start + 300]) for start in range(0, 900, 300)]
    one, told = found_of(*shards, scratch=tmp_path / "one", **options)
    two = found_of(*shards, scratch=tmp_path / "two", workers=2, **options)
    assert (one, told) == two
    monkeypatch.setattr(_repeated_lines, "PARTITION_LINES", 50)
    assert (one, told) == found_of(*shards, scratch=tmp_path / "many", **options)
    [whole], also_told = found_of(texts(*given), scratch=tmp_path / "whole", **options)
    assert column(one, "text") == column([whole], "text")  # type: ignore[list-item, arg-type]
    assert told == also_told
    assert told["repeated"] == sum(-(-900 // k) >= 120 for k in range(2, 9))
