"""Punctuation errors of each text, token by token; tokens are what stands between white space."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.kneser_ney import code_point

Bytes = NDArray[np.uint8]
Bounds = NDArray[np.int64]

# What a character is, as flags; one that is PLAIN needs no closer look.
OTHER, LETTER, DIGIT, STOP, COMMA, HIGH, QUOTE, STRAY, OPEN, CLOSE, SPACE, FIXED, TECHNICAL = (
    1 << kind for kind in range(13)
)
PLAIN = LETTER | DIGIT | OTHER
MARK = STOP | COMMA | HIGH  # . and , and ; : ! ?
LISTS = {
    STOP: ".",
    COMMA: ",",
    HIGH: ";:!?",
    QUOTE: "'\"`´‘’‚‛“”„‟",
    STRAY: "~^|¬¦¤§¶•■□▪▫●○◦♦◆►▲▼",
    OPEN: "([{",
    CLOSE: ")]}",
    FIXED: "\u00a0\u202f\u2007",  # spaces that French puts before a mark
    TECHNICAL: "@_/\\=<>$#%&*+",  # of addresses, paths, names in code, formulas, markup
}
DOUBLE_QUOTE, DOT, COLON, SEMICOLON, EQUALS, BACKTICK, BAR, LINE_END = (ord(sign) for sign in '".:;=`|\n')
SHORT = 3  # characters of a label before its bracket such as "iv)", or of a smile
FRENCH_SHARE = 0.05  # of words; these make about an eighth of French and hardly 3 % of Spanish
LONGEST = 4  # bytes of these
FRENCH = ("et", "du", "les", "des", "est", "une", "qui", "que", "sur", "dans", "pour")


@cache
def kinds() -> NDArray[np.uint16]:
    """What each code point is; those of white space beside."""
    table = np.full(0x110000, OTHER, np.uint16)
    for code in range(0x20000):
        sign = chr(code)
        category = unicodedata.category(sign)
        if category[0] in "LM":
            table[code] = LETTER
        elif category[0] == "N":
            table[code] = DIGIT
        elif sign.isspace():
            table[code] = SPACE
    for kind, signs in LISTS.items():
        table[[ord(sign) for sign in signs]] = kind
    return table


def _packed(word: str) -> int:
    return int.from_bytes(word.encode(), "big")


FRENCH_WORDS = np.array([_packed(word) for word in FRENCH], np.int64)


@njit(cache=True, nogil=True)
def errors(data: Bytes, offsets: Bounds, table: NDArray[np.uint16], french: Bounds) -> tuple[Bounds, Bounds]:
    """The errors and the characters of each text."""
    found, sizes = np.zeros(len(offsets) - 1, np.int64), np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(found)):
        found[row], sizes[row] = _errors(data, offsets[row], offsets[row + 1], table, french)
    return found, sizes


@njit(cache=True, nogil=True)
def _errors(data: Bytes, at: int, end: int, table: NDArray[np.uint16], french: Bounds) -> tuple[int, int]:
    found = spaced = words = french_words = quotes = dots = size = 0
    depths = np.zeros(3, np.int64)
    is_code, starts_line, is_fixed = False, True, False
    while at < end:
        code, after = code_point(data, at)
        if table[code] & (SPACE | FIXED):
            starts_line |= code == LINE_END
            is_fixed = table[code] == FIXED
            size, at = size + 1, after
            continue
        begin = at
        at, length, flags, signs, last, doubles = _token(data, at, end, table)
        size, words, quotes = size + length, words + 1, quotes + doubles
        french_words += _is_one_of(data, begin, at, french)
        is_code ^= starts_line and _is_fence(data, begin, at)
        if length == 1 and flags == STOP:
            dots += 1
        else:
            found += _apart(dots)
            dots = 0
            if signs and not is_code:
                found += _brackets(data, begin, at, table, depths)
                if flags == HIGH:
                    spaced += not (starts_line or is_fixed or (length == 1 and data[begin] == COLON))
                else:
                    found += _in_token(data, begin, at, table, length, flags, signs, last, starts_line)
        starts_line = is_fixed = False
    is_french = french_words > FRENCH_SHARE * words
    return found + _apart(dots) + (0 if is_french else spaced) + int(depths.sum()) + quotes % 2, size


@njit(cache=True, nogil=True)
def _token(data: Bytes, at: int, end: int, table: NDArray[np.uint16]) -> tuple[int, int, int, int, int, int]:
    """Where a token ends, its characters, what they are, how many are signs, what the last one is, and its "."""
    length = flags = signs = last = doubles = 0
    while at < end:
        code, after = code_point(data, at)
        kind = table[code]
        if kind & (SPACE | FIXED):
            break
        flags |= kind
        signs += kind & PLAIN == 0
        doubles += code == DOUBLE_QUOTE
        last, at, length = kind, after, length + 1
    return at, length, flags, signs, last, doubles


@njit(cache=True, nogil=True)
def _apart(dots: int) -> int:
    """Errors of so many full stops that stand apart from words and one another: three are an ellipsis."""
    return dots if dots < 3 else 0


@njit(cache=True, nogil=True)
def _in_token(
    data: Bytes,
    at: int,
    end: int,
    table: NDArray[np.uint16],
    length: int,
    flags: int,
    signs: int,
    last: int,
    first: bool,
) -> int:
    """Errors in a token, but for brackets."""
    is_call = bool(flags & OPEN) and not table[data[at]] & OPEN
    if is_call or flags & TECHNICAL or flags == QUOTE or (signs == 1 and last & MARK and length > 1):
        return 0
    if flags & ~(MARK | QUOTE | STRAY):
        return int(_inside(data, at, end, table))
    is_ellipsis = flags == STOP and length > 2
    is_bullet = flags == STRAY and length == 1 and (first or data[at] == BAR)
    return int(not (is_ellipsis or is_bullet))


@njit(cache=True, nogil=True)
def _inside(data: Bytes, at: int, end: int, table: NDArray[np.uint16]) -> int:
    """Errors in a token that has more than marks."""
    found = 0
    before, before_that, code_before, dots = 0, 0, 0, 0
    first, is_told = True, False
    while at < end:
        code, at = code_point(data, at)
        kind = table[code]
        if kind & LETTER:
            if before & STRAY:
                found += not is_told  # a stray sign before a letter
            elif before & (COMMA | HIGH) and code_before != COLON:
                found += first or before_that & LETTER != 0  # ,word and wo,rd
        elif kind & STRAY:
            is_told = before & LETTER != 0 or (is_told and before & STRAY != 0)
            found += before & LETTER != 0  # a stray sign behind a letter
        elif kind & MARK:
            found += _is_doubled(before, kind, code_before, code)
        if kind & MARK and code == DOT:
            dots += 1
        else:
            found += dots == 2
            dots = 0
        first = before == 0
        before_that, before, code_before = before, kind, code
    return found + (dots == 2)


@njit(cache=True, nogil=True)
def _is_doubled(before: int, kind: int, code_before: int, code: int) -> bool:
    """Whether two marks do not go together: not ?! !! .. ., .; .: :: which have uses."""
    if before & COMMA:
        return True
    if not before & HIGH:
        return False
    if code_before in (33, 63):  # ! and ?
        return kind & HIGH == 0 or code in (58, 59)
    return code != code_before or code != COLON


@njit(cache=True, nogil=True)
def _brackets(data: Bytes, at: int, end: int, table: NDArray[np.uint16], depths: Bounds) -> int:
    """Closing brackets that nothing opened; `depths` are how many are open of each kind."""
    found = length = 0
    if end - at <= SHORT and data[at] in (COLON, SEMICOLON, EQUALS):  # a smile
        return 0
    while at < end:
        code, after = code_point(data, at)
        kind = table[code]
        if kind & (OPEN | CLOSE):
            which = 0 if code < 64 else 1 if code < 96 else 2
            if kind & OPEN:
                depths[which] += 1
            elif depths[which]:
                depths[which] -= 1
            else:
                found += length > SHORT or length == 0  # not 1)
        length += 1
        at = after
    return found


@njit(cache=True, nogil=True)
def _is_one_of(data: Bytes, begin: int, end: int, words: Bounds) -> bool:
    if end - begin > LONGEST:
        return False
    packed = 0
    for at in range(begin, end):
        packed = packed << 8 | data[at] | 0x20
    return bool(np.any(words == packed))


@njit(cache=True, nogil=True)
def _is_fence(data: Bytes, begin: int, end: int) -> bool:
    return end - begin >= 3 and data[begin] == data[begin + 1] == data[begin + 2] == BACKTICK
