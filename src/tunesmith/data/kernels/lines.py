r"""Lines of texts as 64-bit hashes, and texts without the lines whose hash is in a set.

A line is what stands between `\n`, without the white space at its ends (that of `str.strip`). It counts if it is long
enough, holds a letter or a digit and begins with neither white space nor a control character: blank lines, rules,
brackets and indented code are no boilerplate. Bytes are read eight at a time.

Two lines have one hash with odds of 1 in 2^64: of 10^9 lines beside 10^6 repeated ones, 0.00005 are taken for a
repeated one by chance.
"""

# mypy: disable-error-code="no-any-return, return-value"
# (numba's numbers have no types that mypy knows)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.words import BASE, STEP, Bytes, Hashes, Offsets, Table, decoded, finished

NEWLINE, SPACE, UNDERSCORE, ASCII = 10, 32, 95, 128
KNOWN = 0x40000
ONES, HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
WORD = 8  # bytes
LINES, SIGNS, ALL_SIGNS = 0, 1, 2  # columns of Texts.taken


class Repeated(NamedTuple):
    """A set of hashes, at their place in a table of 2^k, 0 where there is none, with what is known of each."""

    hashes: Hashes
    first: NDArray[np.int32]  # the shard whose first text with it keeps it; -1 if none does
    named: NDArray[np.int32]  # its number among those whose text is wanted, or -1


class Room(NamedTuple):
    """What is known of the lines of one text while it is read."""

    ends: Offsets
    hashes: Hashes
    seen: Hashes  # a table of twice as many places at least, all 0 between texts


class Place(NamedTuple):
    """Where a batch stands in its stream: its shard and its first row there, and which rows keep which lines."""

    shard: int
    row: int
    kept_in: Offsets  # for each place of a set, the first row of this shard that has the line; -1 if none had it yet


class Texts(NamedTuple):
    """What `take_out` writes."""

    data: Bytes
    offsets: Offsets
    taken: Offsets  # for each text: the lines taken out, their characters, and all of the text's; no white space
    named: Offsets  # where in the given texts lines whose text is wanted begin and end; -1 if they are not there


def room_for(data: Bytes, offsets: Offsets) -> Room:
    """Room for the lines of any of these texts."""
    most = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == NEWLINE)) + 1
    seen = np.zeros(1 << max(4, (2 * most).bit_length()), np.uint64)
    return Room(np.empty(most, np.int64), np.empty(most, np.uint64), seen)


def texts_for(offsets: Offsets, wanted: int) -> Texts:
    """Where `take_out` writes these texts, with `wanted` lines whose text is wanted."""
    rows = len(offsets) - 1
    size = int(offsets[-1] - offsets[0])
    return Texts(
        np.empty(size, np.uint8), np.zeros(rows + 1, np.int64), np.zeros((rows, 3), np.int64), np.full((wanted, 2), -1)
    )


def repeated(hashes: Hashes, first: NDArray[np.int32], named: NDArray[np.int32]) -> Repeated:
    """The set of these hashes, with the shard that keeps each and its number among those whose text is wanted."""
    slots = 1 << max(4, int(2 * len(hashes)).bit_length())
    made = Repeated(np.zeros(slots, np.uint64), np.full(slots, -1, np.int32), np.full(slots, -1, np.int32))
    _insert(made, hashes, first, named)
    return made


@njit(cache=True, nogil=True)
def _insert(made: Repeated, hashes: Hashes, first: NDArray[np.int32], named: NDArray[np.int32]) -> None:
    for number in range(len(hashes)):
        slot = _slot(made.hashes, hashes[number])
        made.hashes[slot], made.first[slot], made.named[slot] = hashes[number], first[number], named[number]


@njit(cache=True, nogil=True)
def _slot(hashes: Hashes, value: np.uint64) -> np.int64:
    """Where a hash stands, or the empty place where it would."""
    mask = np.uint64(len(hashes) - 1)
    slot = value & mask
    while hashes[slot] != 0 and hashes[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@njit(cache=True, nogil=True)
def hash_lines(data: Bytes, offsets: Offsets, signs: Table, shortest: int, room: Room, out: Hashes) -> int:
    """Write the hashes of the lines that count, each once a text; gives how many there are."""
    count = 0
    for row in range(len(offsets) - 1):
        lines = _read_lines(data, offsets[row], offsets[row + 1], signs, shortest, room)
        count += _each_once(room.hashes[:lines], room.seen, out[count:])
    return count


@njit(cache=True, nogil=True)
def _read_lines(data: Bytes, begin: int, end: int, signs: Table, shortest: int, room: Room) -> int:
    """Find where each line ends, and its hash, 0 if it does not count; gives how many lines there are.

    It is one function for a whole text: called for each line, numba's hand-over of arrays takes as long as the work.
    """
    count, at = 0, begin
    while at < end:
        line = line_end(data, at, end)
        value = np.uint64(0)
        if line - at >= shortest and data[at] > SPACE and (data[at] < ASCII or not _space_at(data, at, line)):
            last = line
            while last > at and (data[last - 1] <= SPACE or data[last - 1] >= ASCII):  # most lines end in neither
                width = _space_before(data, at, last)
                if width == 0:
                    break
                last -= width
            if _is_long(data, at, last, shortest) and _has_word(data, at, last, signs):
                value = line_hash(data, at, last)
        room.ends[count], room.hashes[count] = line, value
        count += 1
        at = line + 1
    return count


@njit(cache=True, nogil=True)
def _each_once(hashes: Hashes, seen: Hashes, out: Hashes) -> int:
    """Write the hashes that are not 0, each once; gives how many there are."""
    size = 16
    while size < 2 * len(hashes):
        size *= 2
    table = seen[:size]
    count = 0
    for value in hashes:
        slot = _slot(table, value) if value else 0
        if value and table[slot] == 0:
            table[slot] = value
            out[count] = value
            count += 1
    table[:] = 0
    return count


@njit(cache=True, nogil=True)
def take_out(
    data: Bytes, offsets: Offsets, signs: Table, shortest: int, room: Room, lines: Repeated, place: Place, made: Texts
) -> None:
    """Write the texts without repeated lines, and what was taken out of each."""
    written = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        pending, at = begin, begin
        for number in range(_read_lines(data, begin, end, signs, shortest, room)):
            line, value = room.ends[number], room.hashes[number]
            slot = _slot(lines.hashes, value) if value else 0
            if value and lines.hashes[slot] and not _stays(lines, place, slot, row):
                written = _copy(data, pending, at, made.data, written)
                pending = min(line + 1, end)
                made.taken[row, LINES] += 1
                made.taken[row, SIGNS] += _solid(data, at, line)
                if lines.named[slot] >= 0 and made.named[lines.named[slot], 0] < 0:
                    made.named[lines.named[slot], 0], made.named[lines.named[slot], 1] = at, line
            at = line + 1
        written = _copy(data, pending, end, made.data, written)
        if made.taken[row, LINES]:
            made.taken[row, ALL_SIGNS] = _solid(data, begin, end)
            if data[end - 1] != NEWLINE:
                written = _without_newline(made.data, made.offsets[row], written)
        made.offsets[row + 1] = written


@njit(cache=True, nogil=True)
def _stays(lines: Repeated, place: Place, slot: int, row: int) -> bool:
    """Whether this is the first text that has the line, and the line stays in it."""
    is_first = lines.first[slot] == place.shard
    if is_first and place.kept_in[slot] < 0:
        place.kept_in[slot] = place.row + row
    return is_first and place.kept_in[slot] == place.row + row


@njit(cache=True, nogil=True)
def _copy(data: Bytes, begin: int, end: int, out: Bytes, at: int) -> int:
    out[at : at + end - begin] = data[begin:end]
    return at + end - begin


@njit(cache=True, nogil=True)
def _without_newline(out: Bytes, begin: int, end: int) -> int:
    if end > begin and out[end - 1] == NEWLINE:
        end -= 1
        if end > begin and out[end - 1] == 13:
            end -= 1
    return end


@njit(cache=True, nogil=True)
def _solid(data: Bytes, begin: int, end: int) -> int:
    """How many characters there are, without ASCII white space and control characters."""
    count = 0
    for at in range(begin, end):
        count += (data[at] > 32) & ((data[at] & 0xC0) != 0x80)
    return count


@njit(cache=True, nogil=True)
def _is_long(data: Bytes, begin: int, end: int, shortest: int) -> bool:
    if end - begin >= 4 * shortest:
        return True
    count = 0
    for at in range(begin, end):
        count += (data[at] & 0xC0) != 0x80
        if count >= shortest:
            return True
    return False


@njit(cache=True, nogil=True)
def _has_word(data: Bytes, begin: int, end: int, signs: Table) -> bool:
    at = begin
    while at < end:
        byte = data[at]
        if byte < 128:
            at += 1
            if signs.ascii[byte] and byte != UNDERSCORE:
                return True
            continue
        code, at = decoded(data, at, end)
        if code < KNOWN and signs.folded[code]:
            return True
    return False


@njit(cache=True, nogil=True)
def _space_at(data: Bytes, at: int, end: int) -> int:
    """The bytes of the white space that begins here; 0 if none does."""
    byte = data[at]
    if byte < 128:
        return 1 if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31 else 0
    code, following = decoded(data, at, end)
    is_space = (
        code == 0x85 or code == 0xA0 or code == 0x1680 or 0x2000 <= code <= 0x200A or code == 0x2028
        or code == 0x2029 or code == 0x202F or code == 0x205F or code == 0x3000
    )  # fmt: skip
    return following - at if is_space else 0


@njit(cache=True, nogil=True)
def _space_before(data: Bytes, begin: int, end: int) -> int:
    """The bytes of the white space that ends here; 0 if none does."""
    if end <= begin:
        return 0
    at = end - 1
    while at > begin and (data[at] & 0xC0) == 0x80:
        at -= 1
    return _space_at(data, at, end)


@njit(cache=True, nogil=True)
def line_hash(data: Bytes, begin: int, end: int) -> np.uint64:
    """The hash of some bytes; never 0."""
    value = np.uint64(end - begin) * BASE
    at = begin
    while at + WORD <= end:
        value = (value ^ _word(data, at)) * STEP
        value ^= value >> np.uint64(32)
        at += WORD
    if at < end:
        rest = np.uint64(0)
        if end - begin >= WORD:
            rest = _word(data, end - WORD)  # some of it once more
        else:
            for place in range(at, end):
                rest = (rest << np.uint64(8)) | np.uint64(data[place])
        value = (value ^ rest) * STEP
    value = finished(value)
    return value if value else np.uint64(1)


@njit(cache=True, nogil=True)
def line_end(data: Bytes, at: int, end: int) -> int:
    """Where the next newline is, or the end."""
    while at + WORD <= end:
        differs = _word(data, at) ^ NEWLINES
        found = (differs - ONES) & ~differs & HIGHS  # the first byte of 0 leaves its highest bit
        if found:
            before = (found & (~found + np.uint64(1))) - np.uint64(1)
            return at + np.int64(((before & ONES) * ONES) >> np.uint64(56)) - 1
        at += WORD
    while at < end and data[at] != NEWLINE:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _word(data: Bytes, at: int) -> np.uint64:
    """Eight bytes as one number; the compiler makes one load of it."""
    here = np.uint64(at)  # an unsigned index needs no test for one that counts from the end
    value = np.uint64(data[here])
    for place in range(1, WORD):
        value |= np.uint64(data[here + np.uint64(place)]) << np.uint64(8 * place)
    return value
