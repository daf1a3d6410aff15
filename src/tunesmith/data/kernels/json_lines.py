"""Lines of JSON objects taken apart in one pass: the text unescaped, the other fields as one JSON object a line.

Only what most lines are is read here. Whatever needs more thought makes its line ODD, for a slower reader.
"""

from __future__ import annotations

# mypy: disable-error-code="no-any-return,return-value,assignment"
# Numbers and truth values of NumPy arrays are plain ones once this is compiled.
import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]

BLANK, PLAIN, REWRITE, ODD = range(4)  # REWRITE: other fields may be no JSON, or not as orjson would write it
# What becomes of a field: it goes on as JSON or not, its value is left in place (a key may also go on), or it is odd.
ON, OFF, COLUMN, KEY, KEY_ON, STRANGE = range(6)
FIELDS = 64  # a line with more of them is odd
DIGITS = 18  # a whole number of more of them may not fit 64 bits
QUOTE, BACKSLASH, COLON, COMMA, MINUS, ZERO, NINE, SMALL_U = (ord(sign) for sign in '"\\:,-09u')
OPEN, CLOSE, BRACKET, UNBRACKET = (ord(sign) for sign in "{}[]")
STRIDE = np.uint64(16)  # bytes looked at together: one vector register
STANDS_FOR = np.zeros(256, np.uint8)  # what a sign after a backslash does
STANDS_FOR[[ord(sign) for sign in '"\\/bfnrt']] = [ord(sign) for sign in '"\\/\b\f\n\r\t']
HEX = np.full(256, 255, np.uint8)
HEX[[ord(sign) for sign in "0123456789abcdefABCDEF"]] = [*range(16), *range(10, 16)]
NULL = np.frombuffer(b"null", np.uint8)
TRUE = np.frombuffer(b"true", np.uint8)
FALSE = np.frombuffer(b"false", np.uint8)


@numba.njit(cache=True, nogil=True)
def take_apart(
    data: Bytes,
    starts: Places,
    text_name: Bytes,
    names: Bytes,
    ends: Places,
    roles: NDArray[np.uint8],
    texts: Bytes,
    metas: Bytes,
    text_ends: NDArray[np.int32],
    meta_ends: NDArray[np.int32],
    spans: NDArray[np.int64],
    kinds: NDArray[np.uint8],
) -> None:
    """Read the lines that begin at `starts` (the last one is the end of the data).

    `names` are names of fields one after another, with the `ends` and the role of each; the last role is that of all
    other fields. The last five arguments are filled: the offsets begin with a zero that is there; spans are those of
    values left in place, -1 where there is none.
    """
    fields = np.empty((FIELDS, 4), np.int64)
    for line in range(len(starts) - 1):
        spans[line] = -1
        text_at, meta_at = text_ends[line], meta_ends[line]
        kind, at, count = _fields(
            data, starts[line], starts[line + 1], text_name, names, ends, roles, texts, text_at, fields, spans[line]
        )
        if kind in (PLAIN, REWRITE):
            text_at = at
            if count:
                meta_at = _join(data, fields, count, metas, meta_at)
        text_ends[line + 1], meta_ends[line + 1], kinds[line] = text_at, meta_at, kind


@numba.njit(nogil=True)
def _fields(
    data: Bytes,
    at: int,
    end: int,
    text_name: Bytes,
    names: Bytes,
    ends: Places,
    roles: NDArray[np.uint8],
    texts: Bytes,
    text_at: int,
    fields: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> tuple[int, int, int]:
    """The kind of a line, where its text ends among the texts, and how many other fields go on, in order of name."""
    at = _skip(data, at, end)
    if at == end:
        return BLANK, text_at, 0
    if data[at] != OPEN:
        return ODD, text_at, 0
    count, text_end, kind, sign = 0, -1, PLAIN, np.uint8(COMMA)
    while sign == COMMA:
        key, key_end, value = _name(data, at + 1, end)
        if key < 0 or count == FIELDS:
            return ODD, text_at, 0
        if _same(data, key + 1, key_end - 1, text_name, 0, len(text_name)):
            at, text_end = _unescape(data, value, end, texts, text_at) if text_end < 0 else (-1, -1)
        else:
            at, plain = _value(data, value, end)
            if not plain:
                kind = REWRITE
            role = _role(data, key + 1, key_end - 1, names, ends, roles, value, at, plain, spans)
            if role == STRANGE or (role == ON and not _insert(data, fields, count, key, key_end, value, at)):
                return ODD, text_at, 0
            count += role == ON
        if at < 0:
            return ODD, text_at, 0
        at = _skip(data, at, end)
        sign = data[at] if at < end else np.uint8(0)
    if sign != CLOSE or text_end < 0 or _skip(data, at + 1, end) != end:
        return ODD, text_at, 0
    return kind, text_end, count


@numba.njit(nogil=True)
def _name(data: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """Where a field's name begins with its quote and ends, and where its value begins; -1 if there is no such name."""
    key = _skip(data, at, end)
    key_end, plain = _value(data, key, end)
    colon = _skip(data, key_end, end)
    if key_end < 0 or not plain or data[key] != QUOTE or colon >= end or data[colon] != COLON:
        return -1, -1, -1
    return key, key_end, _skip(data, colon + 1, end)


@numba.njit(nogil=True)
def _skip(data: Bytes, at: int, end: int) -> int:
    """The next place that holds no white space."""
    while 0 <= at < end and data[at] in (32, 9, 10, 13):
        at += 1
    return at


@numba.njit(nogil=True)
def _same(data: Bytes, start: int, stop: int, names: Bytes, begin: int, end: int) -> bool:
    if stop - start != end - begin:
        return False
    for place in range(stop - start):  # noqa: SIM110 - numba has no all()
        if data[start + place] != names[begin + place]:
            return False
    return True


@numba.njit(nogil=True)
def _role(
    data: Bytes,
    start: int,
    stop: int,
    names: Bytes,
    ends: Places,
    roles: NDArray[np.uint8],
    value: int,
    at: int,
    plain: bool,
    spans: NDArray[np.int64],
) -> int:
    """What becomes of a field: ON, OFF or STRANGE. One that is left in place has its span noted."""
    begin, number = 0, 0
    while number < len(ends) and not _same(data, start, stop, names, begin, ends[number]):
        begin = ends[number]
        number += 1
    role = roles[number]
    if role in (ON, STRANGE):
        return role
    if role == OFF:
        return OFF if plain else ON  # so that it is looked at whether it is JSON
    is_null = at - value == 4 and _same(data, value, at, NULL, 0, 4)
    if not plain or spans[2 * number] >= 0 or (role == COLUMN and not is_null and data[value] != QUOTE):
        return STRANGE
    if is_null:
        return OFF if role == COLUMN else STRANGE
    spans[2 * number], spans[2 * number + 1] = value, at
    return ON if role == KEY_ON else OFF


@numba.njit(nogil=True)
def _value(data: Bytes, at: int, end: int) -> tuple[int, bool]:
    """Where a value ends (-1 if it does not), and whether it is JSON and as orjson would write it."""
    if at < 0 or at >= end:
        return -1, False
    if data[at] == QUOTE:
        return _string(data, at, end)
    if data[at] in (OPEN, BRACKET):
        return _nested(data, at, end), False
    stop = at
    while stop < end and data[stop] not in (COMMA, CLOSE, UNBRACKET, 32, 9, 10, 13):
        stop += 1
    return (stop if stop > at else -1), _is_whole(data, at, stop) or _is_word(data, at, stop)


@numba.njit(nogil=True)
def _string(data: Bytes, at: int, end: int) -> tuple[int, bool]:
    plain = True
    at += 1
    while at < end and data[at] != QUOTE:
        if data[at] < 32:
            return -1, False
        if data[at] == BACKSLASH:
            plain = False
            at += 1
        at += 1
    return (at + 1 if at < end else -1), plain


@numba.njit(nogil=True)
def _nested(data: Bytes, at: int, end: int) -> int:
    depth = 0
    while 0 <= at < end:
        sign = data[at]
        if sign == QUOTE:
            at, _ = _string(data, at, end)
            continue
        depth += (sign in (OPEN, BRACKET)) - (sign in (CLOSE, UNBRACKET))
        at += 1
        if depth == 0:
            return at
    return -1


@numba.njit(nogil=True)
def _is_whole(data: Bytes, at: int, stop: int) -> bool:
    """Whether it is a whole number of few digits, with no zero before them."""
    at += data[at] == MINUS and stop - at > 1 and data[at + 1] != ZERO
    if stop - at > DIGITS or (data[at] == ZERO and stop - at > 1):
        return False
    for place in range(at, stop):  # noqa: SIM110 - numba has no all()
        if not ZERO <= data[place] <= NINE:
            return False
    return True


@numba.njit(nogil=True)
def _is_word(data: Bytes, at: int, stop: int) -> bool:
    return _same(data, at, stop, NULL, 0, 4) or _same(data, at, stop, TRUE, 0, 4) or _same(data, at, stop, FALSE, 0, 5)


@numba.njit(nogil=True)
def _insert(data: Bytes, fields: NDArray[np.int64], count: int, key: int, key_end: int, value: int, at: int) -> bool:
    """Put a field in its place by name; false if one of this name is there."""
    place = count
    while place:
        order = _order(data, key + 1, key_end - 1, fields[place - 1, 0] + 1, fields[place - 1, 1] - 1)
        if order == 0:
            return False
        if order > 0:
            break
        fields[place] = fields[place - 1]
        place -= 1
    fields[place, 0], fields[place, 1], fields[place, 2], fields[place, 3] = key, key_end, value, at
    return True


@numba.njit(nogil=True)
def _order(data: Bytes, start: int, stop: int, other: int, end: int) -> int:
    """Below, above or equal to zero, as the first name comes before or after the other, or is the same."""
    for place in range(min(stop - start, end - other)):
        if data[start + place] != data[other + place]:
            return np.int64(data[start + place]) - np.int64(data[other + place])
    return (stop - start) - (end - other)


@numba.njit(nogil=True)
def _join(data: Bytes, fields: NDArray[np.int64], count: int, out: Bytes, at: int) -> int:
    for number in range(count):
        key, key_end, value, stop = fields[number]
        out[at] = COMMA if number else OPEN
        out[at + 1 : at + 1 + key_end - key] = data[key:key_end]
        at += 1 + key_end - key
        out[at] = COLON
        out[at + 1 : at + 1 + stop - value] = data[value:stop]
        at += 1 + stop - value
    out[at] = CLOSE
    return at + 1


@numba.njit(nogil=True)
def _unescape(data: Bytes, start: int, stop: int, out: Bytes, begin: int) -> tuple[int, int]:
    """Write a string without its escapes; gives the places after its closing quote and after what was written."""
    if start >= stop or data[start] != QUOTE:
        return -1, -1
    one = np.uint64(1)
    place, end, at = np.uint64(start) + one, np.uint64(stop), np.uint64(begin)  # signed ones may count from the end
    while place < end:
        run = _copy_run(data, place, end, out, at)
        place, at = place + run, at + run
        if place >= end or data[place] < 32:
            return -1, -1
        if data[place] == QUOTE:
            return np.int64(place + one), np.int64(at)
        if place + one < end and data[place + one] == SMALL_U:
            after, written = _unicode(data, np.int64(place), stop, out, np.int64(at))
            if after < 0:
                return -1, -1
            place, at = np.uint64(after), np.uint64(written)
            continue
        if place + one >= end or STANDS_FOR[data[place + one]] == 0:
            return -1, -1
        out[at] = STANDS_FOR[data[place + one]]
        place, at = place + np.uint64(2), at + one
    return -1, -1


@numba.njit(nogil=True)
def _copy_run(data: Bytes, start: int, end: int, out: Bytes, at: int) -> int:
    """Copy what stands before the next quote, backslash or control sign; gives how many bytes."""
    place = start
    while place + STRIDE <= end:
        odd = np.uint8(0)
        for i in range(STRIDE):
            sign = data[place + i]
            out[at + i] = sign
            odd |= np.uint8((sign < 32) | (sign == 34) | (sign == 92))
        if odd:
            break
        place, at = place + STRIDE, at + STRIDE
    while place < end and data[place] >= 32 and data[place] != QUOTE and data[place] != BACKSLASH:
        out[at] = data[place]
        place, at = place + np.uint64(1), at + np.uint64(1)
    return place - start


@numba.njit(nogil=True)
def _unicode(data: Bytes, place: int, end: int, out: Bytes, at: int) -> tuple[int, int]:
    """Write the character of one or two escapes of the form u0041 as UTF-8; -1 if they are none."""
    code = _unit(data, place, end)
    place += 6
    if 0xD800 <= code < 0xDC00:
        low = _unit(data, place, end)
        if not 0xDC00 <= low < 0xE000:
            return -1, -1
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        place += 6
    elif code < 0 or 0xDC00 <= code < 0xE000:
        return -1, -1
    if code < 0x80:
        out[at] = code
        return place, at + 1
    size = 2 + (code >= 0x800) + (code >= 0x10000)
    out[at] = (0xF00 >> size & 0xFF) | code >> 6 * (size - 1)
    for number in range(1, size):
        out[at + number] = 0x80 | (code >> 6 * (size - 1 - number) & 0x3F)
    return place, at + size


@numba.njit(nogil=True)
def _unit(data: Bytes, place: int, end: int) -> int:
    """The number in one escape of the form u0041 with its backslash; -1 if it is none."""
    if place + 6 > end or data[place] != BACKSLASH or data[place + 1] != SMALL_U:
        return -1
    code = 0
    for number in range(2, 6):
        digit = np.int64(HEX[data[place + number]])
        if digit == 255:
            return -1
        code = code << 4 | digit
    return code
