"""Words, lines, paragraphs and counts of a batch of texts, each computed at most once, all rows together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.core.text import Counts, Spans

NEWLINE, RETURN = 10, 13
BLANK = np.isin(np.arange(256), [9, 11, 12, 13, 32])  # the ASCII white space that may stand on an empty line
CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Views:
    """The views of one column of texts; a null row has no words, lines or paragraphs."""

    texts: pa.StringArray

    @cached_property
    def words(self) -> Spans:
        r"""Runs of Unicode letters, digits and underscores, exactly as `re` finds `\w+`."""
        data, offsets = bytes_of(self.texts)
        low, high = int(offsets[0]), int(offsets[-1])
        inside = _word_bytes(data[low:high])
        before = np.concatenate([[False], inside[:-1]]) if high > low else inside
        after = np.concatenate([inside[1:], [False]]) if high > low else inside
        edges = offsets - low
        before[edges[:-1][np.diff(edges) > 0]] = False  # a word never crosses rows
        after[edges[1:][np.diff(edges) > 0] - 1] = False
        starts = np.flatnonzero(inside & ~before) + low
        return Spans(data, starts, np.flatnonzero(inside & ~after) + 1 + low, np.searchsorted(starts, offsets))

    @cached_property
    def lines(self) -> Spans:
        r"""Lines between `\n` or `\r\n`; empty ones count, an empty one after the last line end does not."""
        data, offsets = bytes_of(self.texts)
        low, high = int(offsets[0]), int(offsets[-1])
        after_newline = np.flatnonzero(data[low:high] == NEWLINE) + low + 1
        starts = np.unique(np.concatenate([offsets[:-1][np.diff(offsets) > 0], after_newline]))
        starts = starts[starts < high]
        ends = np.append(starts[1:], high) if len(starts) else starts
        return Spans(data, starts, _without_line_end(data, starts, ends), np.searchsorted(starts, offsets))

    @cached_property
    def paragraphs(self) -> Spans:
        """Runs of lines that hold more than white space."""
        lines = self.lines
        solid = np.concatenate([[0], np.cumsum(~BLANK[lines.data])])
        filled = solid[lines.ends] > solid[lines.starts]
        before, after = np.zeros_like(filled), np.zeros_like(filled)
        before[1:], after[:-1] = filled[:-1], filled[1:]
        some = lines.counts > 0
        before[lines.rows[:-1][some]] = False  # a paragraph never crosses rows
        after[lines.rows[1:][some] - 1] = False
        first, last = filled & ~before, filled & ~after
        return Spans(
            lines.data, lines.starts[first], lines.ends[last], np.searchsorted(np.flatnonzero(first), lines.rows)
        )

    @cached_property
    def counts(self) -> Counts:
        """What quality rules count, all in one pass."""
        from tunesmith.data.kernels.quality import counts  # numba takes a second to import

        return counts(self.texts)


def bytes_of(texts: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The value buffer of a string column and where each of its rows begins, with the end of the last one."""
    whole = texts.fill_null("") if texts.null_count else texts
    _, offsets, values = whole.buffers()
    if offsets is None or not len(whole):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int32)[whole.offset : whole.offset + len(whole) + 1]
    data = np.frombuffer(values, np.uint8) if values is not None else np.zeros(0, np.uint8)
    return data, bounds.astype(np.int64)


def _word_bytes(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes belong to a word."""
    words = word_code_points()
    if not len(data) or data.max() < 128:
        return words[data]
    codes = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), np.uint32)
    widths = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
    return np.repeat(words[codes], widths)


@cache
def word_code_points() -> NDArray[np.bool_]:
    r"""Which code points `re` takes for part of a word (`\w`)."""
    table = np.zeros(CODE_POINTS, np.bool_)
    for run in re.finditer(r"\w+", "".join(map(chr, range(CODE_POINTS)))):
        table[run.start() : run.end()] = True
    return table


def _without_line_end(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(starts):
        return ends
    ended = data[ends - 1] == NEWLINE
    ends = ends - ended
    carriage = ended & (ends > starts) & (data[np.maximum(ends - 1, 0)] == RETURN)
    bare: NDArray[np.int64] = ends - carriage
    return bare
