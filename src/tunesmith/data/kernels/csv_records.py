"""Where records of delimited text begin, told as Python's csv reader in strict mode tells it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

START_RECORD, START_FIELD, IN_FIELD, IN_QUOTED, AFTER_QUOTE, END, FAULT = range(7)
QUOTE, LINE_END, RETURN = 34, 10, 13


@njit(cache=True, nogil=True)
def record_starts(
    data: NDArray[np.uint8], sign: int, state: int, position: int, lines: int, targets: NDArray[np.int64]
) -> tuple[int, int, NDArray[np.int64]]:
    """The first record start at or after each target, with the number of lines before it, in a block of a file.

    `state` and `lines` are those before the block, which begins at `position`; targets that it does not reach get -1.
    Gives the state and lines after it as well.
    """
    found = np.full((len(targets), 2), -1, np.int64)
    wanted = 0
    for i in range(len(data)):
        state = _step(state, data[i], sign)
        if data[i] == LINE_END:
            lines += 1
            if state in (END, FAULT):  # after a fault the reader goes on with the next line
                state = START_RECORD
            while state == START_RECORD and wanted < len(targets) and position + i + 1 >= targets[wanted]:
                found[wanted, 0], found[wanted, 1] = position + i + 1, lines
                wanted += 1
    return state, lines, found


@njit(inline="always")
def _step(state: int, byte: int, sign: int) -> int:
    """The state after one byte: CPython's Modules/_csv.c, parse_process_char."""
    if state == IN_QUOTED:
        return AFTER_QUOTE if byte == QUOTE else IN_QUOTED
    if state == FAULT:
        return FAULT
    if byte in (LINE_END, RETURN):
        return END
    if state == END:
        return FAULT
    if byte == sign:
        return START_FIELD
    if byte == QUOTE and state != IN_FIELD:
        return IN_QUOTED
    return FAULT if state == AFTER_QUOTE else IN_FIELD
