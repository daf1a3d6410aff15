"""What a model reads of each text: all of a short one, three windows of a long one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.views import bytes_of

Bytes = NDArray[np.uint8]
Bounds = NDArray[np.int64]  # one row a text, three windows each: byte offsets


def windows(texts: pa.StringArray, characters: int) -> tuple[Bytes, Bounds, Bounds]:
    """The bytes of all texts, and where the windows of each begin and end.

    A text of more than this many characters is read at its beginning, in its middle and at its end, a third of them
    each: a licence or a menu at its head does not speak for it.
    """
    data, offsets = bytes_of(texts)
    begins = np.zeros((len(texts), 3), np.int64)
    ends = np.zeros((len(texts), 3), np.int64)
    _cut(data, offsets, characters, begins, ends)
    return data, begins, ends


@njit(cache=True, nogil=True)
def _cut(data: Bytes, offsets: Bounds, characters: int, begins: Bounds, ends: Bounds) -> None:
    third = max(characters // 3, 1)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        begins[row] = ends[row] = end
        begins[row, 0] = begin
        if _forward(data, begin, end, characters) == end:
            continue
        ends[row, 0] = _forward(data, begin, end, third)
        begins[row, 1] = max(_backward(data, begin, (begin + end) // 2, third // 2), ends[row, 0])
        ends[row, 1] = _forward(data, begins[row, 1], end, third)
        begins[row, 2] = max(_backward(data, begin, end, third), ends[row, 1])


@njit(cache=True, nogil=True)
def _forward(data: Bytes, at: int, end: int, characters: int) -> int:
    if end - at <= characters:
        return end
    while characters and at < end:
        at += 1
        while at < end and data[at] & 0xC0 == 0x80:  # within a character of UTF-8
            at += 1
        characters -= 1
    return at


@njit(cache=True, nogil=True)
def _backward(data: Bytes, begin: int, at: int, characters: int) -> int:
    while characters and at > begin:
        at -= 1
        while at > begin and data[at] & 0xC0 == 0x80:
            at -= 1
        characters -= 1
    return at
