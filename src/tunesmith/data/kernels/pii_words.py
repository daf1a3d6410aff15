"""Classes of bytes, and the words around a number that say what it is; compiled, for the scanner of pii.py."""

from __future__ import annotations

# mypy: disable-error-code="no-any-return,return-value"
# Numbers and truth values of NumPy arrays are plain ones once this is compiled.
import string
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# What a byte may be part of.
DIGIT, LETTER, JOINER, ANCHOR = 1, 2, 4, 8
TOKEN = DIGIT | LETTER | JOINER

# What a word says about the number beside it.
PHONE, CALL, OWN, NUMBER, CARD, SSN, IP_WORD, OTHER, CODE = 1, 2, 4, 8, 16, 32, 64, 128, 256
FILLER, SECRET, KEY_OF, KEY, STRONG_QUERY, WEAK_QUERY, LABEL = 512, 1024, 2048, 4096, 8192, 16384, 32768
TAGS = {
    "phone": PHONE, "call": CALL, "own": OWN, "number": NUMBER, "card": CARD, "ssn": SSN, "ip": IP_WORD, "other": OTHER,
    "code": CODE, "filler": FILLER, "secret": SECRET, "key_of": KEY_OF, "key": KEY, "strong": STRONG_QUERY,
    "weak": WEAK_QUERY, "label": LABEL,
}  # fmt: skip

FIRST_UNSPACED = 0xE0  # bytes from here on begin the signs of scripts that have no spaces between words, and a few more
LONGEST_NUMBER_LEAD = 48  # bytes before a number in which a word may say what it is
WORDS_BEFORE = 4  # that stand directly before a number, small ones such as "number is" among them


def _classes() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    table[[ord(sign) for sign in string.digits]] = DIGIT
    table[[ord(sign) for sign in string.ascii_letters]] = LETTER
    table[[ord(sign) for sign in "._-"]] = JOINER
    table[[ord(sign) for sign in "@:?&"]] = ANCHOR
    table[[0xD9, 0xDB, 0xEF]] = ANCHOR  # with which Arabic, Persian and full-width digits begin
    return table


CLASS = _classes()


class Words(NamedTuple):
    """Byte strings by their first byte: entry `i` is `data[ends[i]:ends[i+1]]`, and of byte `b` are first[b]..[b+1]."""

    data: Bytes
    ends: Ints
    first: Ints
    tags: Ints
    open: NDArray[np.bool_]  # whether more letters may follow

    @classmethod
    def of(cls, tagged: dict[str, int]) -> Words:
        """A table of these words; one that ends in `*` stands for all that begin so."""
        entries = sorted((word.rstrip("*").encode(), word.endswith("*"), tag) for word, tag in tagged.items())
        firsts = np.bincount([entry[0][0] for entry in entries], minlength=256)
        return cls(
            np.frombuffer(b"".join(entry[0] for entry in entries), np.uint8),
            np.cumsum([0, *(len(entry[0]) for entry in entries)], dtype=np.int64),
            np.cumsum([0, *firsts], dtype=np.int64),
            np.array([entry[2] for entry in entries], np.int64),
            np.array([entry[1] or entry[0][0] >= FIRST_UNSPACED for entry in entries], np.bool_),
        )


@njit(cache=True, nogil=True)
def is_digit(byte: np.uint8) -> bool:
    """Whether it is 0 to 9."""
    return 48 <= byte <= 57


@njit(cache=True, nogil=True)
def is_letter(byte: np.uint8) -> bool:
    """Whether it is a letter of ASCII or part of a sign outside ASCII."""
    return byte >= 128 or 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True)
def is_alnum(byte: np.uint8) -> bool:
    """Whether it is a letter or digit of ASCII, or an underscore."""
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 122 or byte == 95


@njit(cache=True, nogil=True)
def tag_of(data: Bytes, start: int, end: int, words: Words) -> int:
    """What a word says; 0 for one that is in no list. Capitals count as small letters."""
    first = data[start] | 32 if data[start] < 128 else data[start]
    tags = 0
    for entry in range(words.first[first], words.first[first + 1]):
        low, high = words.ends[entry], words.ends[entry + 1]
        length = high - low
        if length > end - start or (length < end - start and not words.open[entry]):
            continue
        same = True
        for place in range(length):
            byte = data[start + place]
            if (byte | 32 if 65 <= byte <= 90 else byte) != words.data[low + place]:
                same = False
                break
        if same:
            tags |= words.tags[entry]
    return tags


@njit(cache=True, nogil=True)
def _word_end(data: Bytes, start: int, end: int) -> int:
    """Where the word that begins here ends: also before a capital after a small letter, or a sign without spaces."""
    i = start + 1
    while i < end and is_letter(data[i]):
        if data[i] >= FIRST_UNSPACED or (65 <= data[i] <= 90 and 97 <= data[i - 1] <= 122):
            break
        i += 1
    return i


@njit(cache=True, nogil=True)
def tags_in(data: Bytes, start: int, end: int, words: Words) -> int:
    """What the words between two places say, together."""
    tags, i = 0, start
    while i < end:
        if not is_letter(data[i]):
            i += 1
            continue
        stop = _word_end(data, i, end)
        if data[i] >= FIRST_UNSPACED:  # no spaces between words: any number of signs may belong to it
            run = i
            while run < end and data[run] >= 128:
                run += 1
            tags |= tag_of(data, i, run, words)
        else:
            tags |= tag_of(data, i, stop, words)
        i = stop
    return tags


@njit(cache=True, nogil=True)
def tags_around(data: Bytes, low: int, start: int, words: Words) -> int:
    """What the words shortly before a place say."""
    begin = max(low, start - LONGEST_NUMBER_LEAD)
    while low < begin < start and is_letter(data[begin]) and is_letter(data[begin - 1]):
        begin += 1  # half a word says something else
    return tags_in(data, begin, start, words)


@njit(cache=True, nogil=True)
def tags_before(data: Bytes, low: int, start: int, words: Words) -> int:
    """What the word directly before a place says; words such as "number is" may stand between, and # is one."""
    tags, i = 0, start
    for _ in range(WORDS_BEFORE):
        gap = 0
        while i > low and not is_letter(data[i - 1]) and gap < 5:
            if is_digit(data[i - 1]) or data[i - 1] == 10:
                return tags
            if data[i - 1] == 35:
                tags |= OTHER
            i -= 1
            gap += 1
        stop = i
        while i > low and is_letter(data[i - 1]) and stop - i < 24:
            i -= 1
        if i == stop:
            return tags
        found = tags_in(data, i, stop, words)
        tags |= found
        if not found & (FILLER | NUMBER):
            return tags
    return tags
