r"""Words of texts as 64-bit hashes, and hashes of n-grams of them: what near-duplicates and overlaps are found by.

A word is a run of letters, digits and underscores, as `re` finds `\w+`, after folding; in scripts that are written
without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) every character is a word of its own. Folding is by code point,
so that the bytes are read once: it changes no length that matters and needs no second copy of the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.views import bytes_of, word_code_points

Fold = Literal["case", "digits", "accents", "width"]
FOLDS: tuple[Fold, ...] = get_args(Fold)
ALONE = np.uint32(1 << 31)  # a character that is a word of its own
KNOWN = 0x40000  # above it there are no letters
CASED = 0x1E944  # and above this none that has another case
UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x323AF),
)  # fmt: skip
STEP, FINAL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
BASE = np.uint64(0xE7037ED1A0B428DB)  # of the polynomial over the words of an n-gram; odd, so that no word is lost
SPACE = 32

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]


class Table(NamedTuple):
    """What each byte below 128, and each code point, folds to; 0 between words."""

    ascii: Bytes
    folded: NDArray[np.uint32]


def table(folds: Iterable[Fold] = ("case",)) -> Table:
    """The table of these foldings.

    `case` makes small letters of capitals, `digits` a 0 of every digit, `accents` takes marks off letters and `width`
    gives fullwidth and halfwidth characters, superscripts and their like the form they stand for (NFKC, where that is
    one character). Raises UserError for a folding that does not exist.
    """
    wanted = tuple(fold for fold in FOLDS if fold in set(folds))
    if unknown := sorted(set(folds) - set(FOLDS)):
        raise UserError(f"there is no folding {unknown[0]!r}.", f"There are {', '.join(FOLDS)}.")
    return _table(wanted)


@cache
def _table(folds: tuple[Fold, ...]) -> Table:
    is_word = word_code_points()[:KNOWN]
    folded = np.where(is_word, np.arange(KNOWN, dtype=np.uint32), np.uint32(0)).astype(np.uint32)
    special = np.flatnonzero(is_word[:CASED]) if folds else np.zeros(0, np.int64)
    for code in special.tolist():
        folded[code] = _folded(chr(code), folds)
    for first, last in UNSPACED:
        run = folded[first : last + 1]
        run[run > 0] |= ALONE
    return Table(folded[:128].astype(np.uint8), folded)


def _folded(sign: str, folds: Sequence[Fold]) -> int:
    if "width" in folds:
        sign = _if_one(unicodedata.normalize("NFKC", sign), sign)
    if "accents" in folds:
        plain = unicodedata.normalize("NFD", sign)
        sign = plain[0] if all(unicodedata.combining(mark) for mark in plain[1:]) else sign
    if "digits" in folds and sign.isdecimal():
        return ord("0")
    return ord(_if_one(sign.lower(), sign) if "case" in folds else sign)


def _if_one(changed: str, sign: str) -> str:
    return changed if len(changed) == 1 else changed[0] if len(changed.rstrip("\u0307")) == 1 else sign


def word_hashes(texts: pa.StringArray, folds: Iterable[Fold] = ("case",)) -> tuple[Hashes, Offsets]:
    """The hash of each word of each text, and where the words of each text begin; a null text has none.

    >>> found, rows = word_hashes(pa.array(["The cat.", None, "the CAT, the dog"]))
    >>> rows.tolist(), bool((found[:2] == found[2:4]).all()), len(set(found.tolist()))
    ([0, 2, 2, 6], True, 3)
    """
    data, offsets = bytes_of(texts)
    hashes = np.empty(most_words(offsets), np.uint64)
    rows = np.zeros(len(offsets), np.int64)
    _hash_all(data, offsets, table(folds), hashes, rows)
    return hashes[: rows[-1]], rows


def most_words(offsets: Offsets) -> int:
    """How many words texts of these bounds have at most."""
    return int(offsets[-1] - offsets[0] + len(offsets)) // 2 + len(offsets)


@njit(cache=True, nogil=True)
def _hash_all(data: Bytes, offsets: Offsets, signs: Table, hashes: Hashes, rows: Offsets) -> None:
    for row in range(len(offsets) - 1):
        rows[row + 1] = rows[row] + hash_words(data, offsets[row], offsets[row + 1], signs, hashes[rows[row] :])


@njit(cache=True, nogil=True)
def hash_words(data: Bytes, begin: int, end: int, signs: Table, hashes: Hashes) -> int:
    """Write the hash of each word of a text; gives how many there are."""
    count, at = 0, begin
    value, inside = np.uint64(0), False
    while at < end:
        byte = data[at]
        if byte < 128:
            at += 1
            sign = np.uint32(signs.ascii[byte])
        else:
            code, at = decoded(data, at, end)
            sign = signs.folded[code] if code < KNOWN else np.uint32(0)
        if sign and not sign & ALONE:
            value = (value ^ np.uint64(sign)) * STEP
            inside = True
            continue
        if inside:
            hashes[count] = finished(value)
            count += 1
            value, inside = np.uint64(0), False
        if sign:
            hashes[count] = finished(np.uint64(sign) * STEP)
            count += 1
    if inside:
        hashes[count] = finished(value)
        count += 1
    return count


@njit(cache=True, nogil=True)
def word_bounds(data: Bytes, begin: int, end: int, signs: Table, starts: Offsets, ends: Offsets) -> int:
    """Write where each word of a text begins and ends, in the order of `hash_words`; gives how many there are."""
    count, at, inside = 0, begin, False
    while at < end:
        here = at
        byte = data[at]
        if byte < 128:
            at += 1
            sign = np.uint32(signs.ascii[byte])
        else:
            code, at = decoded(data, at, end)
            sign = signs.folded[code] if code < KNOWN else np.uint32(0)
        is_alone = sign & ALONE != 0
        if inside and (sign == 0 or is_alone):
            ends[count] = here
            count += 1
            inside = False
        if is_alone:
            starts[count], ends[count] = here, at
            count += 1
        elif sign and not inside:
            starts[count] = here
            inside = True
    if inside:
        ends[count] = end
        count += 1
    return count


@njit(cache=True, nogil=True)
def hash_characters(data: Bytes, begin: int, end: int, signs: Table, hashes: Hashes) -> int:
    """Write the hash of each character of words, and of one space between words; gives how many there are."""
    count, at, apart = 0, begin, False
    while at < end:
        byte = data[at]
        if byte < 128:
            at += 1
            sign = np.uint32(signs.ascii[byte])
        else:
            code, at = decoded(data, at, end)
            sign = signs.folded[code] if code < KNOWN else np.uint32(0)
        if sign == 0:
            apart = count > 0
            continue
        if apart:
            hashes[count] = finished(np.uint64(SPACE) * STEP)
            count += 1
            apart = False
        hashes[count] = finished(np.uint64(sign & ~ALONE) * STEP)
        count += 1
    return count


@njit(cache=True, nogil=True)
def hash_ngrams(words: Hashes, count: int, n: int, hashes: Hashes) -> int:
    """Write the hash of each n-gram of the first `count` words; gives how many there are.

    Fewer words than n are one n-gram together, no words are none. A polynomial in BASE is carried from one n-gram to
    the next, and mixed. `hashes` has room for `count` of them and is not `words`.
    """
    if count == 0:
        return 0
    size = min(n, count)
    value, lead = np.uint64(0), np.uint64(1)
    for place in range(size):
        value = value * BASE + words[place]
        lead = lead * BASE if place else lead
    salt = np.uint64(size)
    hashes[0] = finished((value + salt) * FINAL)
    for place in range(1, count - size + 1):
        value = (value - words[place - 1] * lead) * BASE + words[place + size - 1]
        hashes[place] = finished((value + salt) * FINAL)
    return count - size + 1


@njit(cache=True, nogil=True)
def decoded(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The code point of the UTF-8 sequence of two to four bytes that begins here, and where the next one begins."""
    byte = np.int64(data[at])
    width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if at + width > end:
        return KNOWN, end
    code = byte & (0x7F >> width)
    for place in range(at + 1, at + width):
        code = (code << 6) | np.int64(data[place] & 0x3F)
    return code, at + width  # type: ignore[return-value]  # numba's integers have no types


@njit(cache=True, nogil=True)
def finished(value: np.uint64) -> np.uint64:
    """A hash whose every bit depends on all bits of the value."""
    value = (value ^ (value >> np.uint64(32))) * FINAL
    value = (value ^ (value >> np.uint64(29))) * STEP
    return value ^ (value >> np.uint64(32))
