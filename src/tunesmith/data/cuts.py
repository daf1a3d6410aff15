"""Large files cut into parts that can be read apart from one another: each record is in one part and whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tunesmith.data.files import HEAD_BYTES, UTF8_MARK, File, is_utf16, open_bytes, size_of
from tunesmith.data.urls import is_url

PART_BYTES = 1 << 24  # into which large files are cut, so that one file keeps all cores busy
BLOCK_BYTES = 1 << 24


def cut_lines(file: File, size: int, *, ends: Callable[[bytes], bool] | None = None) -> list[File]:
    """Parts of about `size` bytes that begin where a line does, or where one does after a line that `ends` is true of.

    Compressed files stay whole. Parts know the number of their first line, except those of URLs, which would have to be
    read for it.
    """
    targets = _targets(file, size)
    if not len(targets):
        return [file]
    starts = [0]
    with open_bytes(file) as stream:
        if is_utf16(stream.read(HEAD_BYTES)):
            return [file]
        for target in targets:
            if target > starts[-1]:
                stream.seek(target - 1)
                stream.readline()
                while ends and (line := stream.readline()) and not ends(line):
                    pass
                starts.append(stream.tell())
    known = [None] * len(starts) if is_url(file.path) else _line_ends_before(Path(file.path), starts)
    return _parts(file, starts, known)


def cut_records(file: File, size: int, *, sign: str) -> list[File]:
    """Parts of about `size` bytes of delimited text that begin where a record does; `sign` stands between fields.

    Compressed files stay whole, and so do those behind URLs, which would have to be read twice.
    """
    targets = _targets(file, size)
    if not len(targets) or is_url(file.path) or not sign.isascii():
        return [file]
    from tunesmith.data.kernels.csv_records import record_starts

    starts, known, state, lines = [0], [0], 0, 0
    for position, block in _blocks(Path(file.path)):
        left = np.array([target for target in targets if target > starts[-1]], np.int64)
        state, lines, found = record_starts(block, ord(sign), state, position, lines, left)
        reached = found[found[:, 0] >= 0]
        starts += reached[:, 0].tolist()
        known += reached[:, 1].tolist()
    return _parts(file, starts, known)


def _targets(file: File, size: int) -> list[int]:
    """Where cuts would be best: none in a compressed file, or one that is small or of unknown size."""
    total = 0 if file.is_packed else size_of(file) or 0
    parts = -(-total // size)
    return [total * part // parts for part in range(1, parts)]


def _parts(file: File, starts: Sequence[int], lines: Sequence[int | None]) -> list[File]:
    firsts = dict(zip(starts, lines, strict=True))
    total = size_of(file) or 0
    begins = [start for start in firsts if start < total]
    ends = [*begins[1:], None]
    return [File(file.path, file.uri, begin, end, firsts[begin]) for begin, end in zip(begins, ends, strict=True)]


def _line_ends_before(path: Path, starts: Sequence[int]) -> list[int | None]:
    """How many line ends stand before each of these positions, which ascend."""
    counts: list[int | None] = []
    before = 0
    places = iter(starts)
    place = next(places, None)
    for position, block in _blocks(path):
        is_end = block == ord("\n")
        while place is not None and place <= position + len(block):
            counts.append(before + int(np.count_nonzero(is_end[: place - position])))
            place = next(places, None)
        before += int(np.count_nonzero(is_end))
    return counts


def _blocks(path: Path) -> Iterator[tuple[int, np.ndarray[tuple[int], np.dtype[np.uint8]]]]:
    """The bytes of a file in blocks, each with its offset; a UTF-8 mark at the beginning is left out."""
    with path.open("rb") as stream:
        position = len(UTF8_MARK) if stream.read(len(UTF8_MARK)) == UTF8_MARK else 0
        stream.seek(position)
        while data := stream.read(BLOCK_BYTES):
            yield position, np.frombuffer(data, np.uint8)
            position += len(data)
