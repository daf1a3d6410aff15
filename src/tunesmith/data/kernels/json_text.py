"""JSON of text columns, written as orjson writes it, for a whole batch at once."""

from __future__ import annotations

# mypy: disable-error-code="no-any-return,return-value,assignment"
# Numbers and truth values of NumPy arrays are plain ones once this is compiled.
from collections.abc import Mapping

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

QUOTE, COMMA, OPEN, CLOSE, BACKSLASH = (ord(sign) for sign in '",{}\\')
ONE = np.uint64(1)
STRIDE = np.uint64(16)  # bytes looked at together: one vector register
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
SHORT = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", QUOTE: '"', BACKSLASH: "\\"}
# How many bytes more a byte takes when it is escaped, and the sign after the backslash.
MORE = np.array([1 if sign in SHORT else 5 if sign < 32 else 0 for sign in range(256)], np.uint8)
AFTER = np.array([ord(SHORT.get(sign, "u")) for sign in range(256)], np.uint8)


def json_objects(columns: Mapping[str, pa.Array]) -> tuple[Bytes, Offsets]:
    r"""One JSON object a row, of the columns of text that are not null there, by name; gives bytes and row offsets.

    >>> data, rows = json_objects({"b": pa.array(['say "hi"', "x"]), "a": pa.array(["é", None])})
    >>> [data[rows[i] : rows[i + 1]].tobytes().decode() for i in range(2)]
    ['{"a":"é","b":"say \\"hi\\""}', '{"b":"x"}']
    """
    parts = [(_name(name), *_buffers(columns[name])) for name in sorted(columns)]
    count = len(next(iter(columns.values())))
    sizes = np.zeros(count, np.int64)
    for name, data, starts, valid in parts:
        _measure(data, starts, valid, len(name) + 2, sizes)
    rows = np.zeros(count + 1, np.int64)
    np.cumsum(np.where(sizes == 0, 2, sizes + 1), out=rows[1:])
    out = np.empty(rows[-1], np.uint8)
    ends = rows[:-1].copy()
    for name, data, starts, valid in parts:
        _write(data, starts, valid, name, rows, ends, out)
    out[rows[:-1]] = OPEN
    out[rows[1:] - 1] = CLOSE
    return out, rows


def _name(name: str) -> Bytes:
    return np.frombuffer(f'"{name}":"'.encode(), np.uint8)


def _buffers(column: pa.Array) -> tuple[Bytes, NDArray[np.int32], NDArray[np.bool_]]:
    """The bytes of a text column, the offsets of its values in them, and which are not null."""
    count = len(column)
    _, offsets, data = column.buffers()
    starts = (
        np.frombuffer(offsets, np.int32)[column.offset : column.offset + count + 1] if count else np.zeros(1, np.int32)
    )
    valid = np.ones(count, np.bool_) if not column.null_count else column.is_valid().to_numpy(zero_copy_only=False)
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), starts, valid


@numba.njit(cache=True, nogil=True)
def _measure(data: Bytes, starts: NDArray[np.int32], valid: NDArray[np.bool_], fixed: int, sizes: Offsets) -> None:
    for row in range(len(sizes)):
        if valid[row]:
            text = data[starts[row] : starts[row + 1]]
            more = 0
            for sign in text:  # sums of comparisons become vector instructions, look-ups in MORE do not
                short = (
                    (sign == 34) + (sign == 92) + (sign == 8) + (sign == 9) + (sign == 10) + (sign == 12) + (sign == 13)
                )
                more += 5 * (sign < 32) + short - 5 * ((sign < 32) & (short == 1))
            sizes[row] += fixed + len(text) + more


@numba.njit(cache=True, nogil=True)
def _write(
    data: Bytes,
    starts: NDArray[np.int32],
    valid: NDArray[np.bool_],
    name: Bytes,
    rows: Offsets,
    ends: Offsets,
    out: Bytes,
) -> None:
    for row in range(len(ends)):
        if valid[row]:
            at = ends[row]
            out[at] = COMMA  # the first one becomes a brace
            out[at + 1 : at + 1 + len(name)] = name
            at += 1 + len(name)
            at = _escape(data, starts[row], starts[row + 1], out, at)
            out[at] = QUOTE
            ends[row] = at + 1


@numba.njit(nogil=True)
def _escape(data: Bytes, start: int, stop: int, out: Bytes, at: int) -> int:
    """Write a text escaped from a place in `out`; gives the place after it."""
    place, end, at = np.uint64(start), np.uint64(stop), np.uint64(at)  # unsigned, as signed ones may count from the end
    while place < end:
        odd = np.uint8(place + STRIDE > end)
        if not odd:
            for i in range(STRIDE):
                sign = data[place + i]
                out[at + i] = sign
                odd |= np.uint8((sign < 32) | (sign == 34) | (sign == 92))
        if not odd:
            at, place = at + STRIDE, place + STRIDE
            continue
        for i in range(min(STRIDE, end - place)):
            at = _escape_sign(data[place + i], out, at)
        place += STRIDE
    return at


@numba.njit(nogil=True, inline="always")
def _escape_sign(sign: int, out: Bytes, at: int) -> int:
    if MORE[sign] == 0:
        out[at] = sign
        return at + ONE
    out[at], out[at + ONE] = BACKSLASH, AFTER[sign]
    if MORE[sign] == 5:
        out[at + np.uint64(2)] = out[at + np.uint64(3)] = 48
        out[at + np.uint64(4)], out[at + np.uint64(5)] = HEX[sign >> 4], HEX[sign & 15]
    return at + ONE + np.uint64(MORE[sign])
