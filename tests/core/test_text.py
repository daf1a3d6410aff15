"""The types of a batch's words, lines and paragraphs."""

from __future__ import annotations

import numpy as np

from tunesmith.core.text import Lines, Spans, Words

SPANS = Spans.of([["zwei", "Wörter"], [], ["日本", "語", "end"]])


def test_the_length_of_a_row_is_known_without_decoding_it() -> None:
    assert [len(Words(SPANS, row)) for row in range(len(SPANS))] == [2, 0, 3]
    assert SPANS.counts.tolist() == [2, 0, 3]


def test_pieces_are_read_by_position_slice_and_iteration() -> None:
    words = Words(SPANS, 2)
    assert words[0] == "日本"
    assert words[-1] == "end"
    assert words[1:] == ["語", "end"]
    assert list(words) == ["日本", "語", "end"]
    assert "語" in words


def test_lengths_are_in_bytes_of_utf8() -> None:
    assert SPANS.lengths.tolist() == [4, 7, 6, 3, 3]


def test_a_span_over_an_empty_buffer_has_no_pieces() -> None:
    empty = Spans(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(2, np.int64))
    assert list(Lines(empty, 0)) == []
