"""All counts that quality rules need, in one pass over the bytes of a batch; `Counts` in core/text.py tells them.

How a text falls into tokens: a chunk is what stands between white space. Marks at its ends are tokens of their own, a
full stop too unless an abbreviation ends there (`J.`, `i.e.`); `n't`, `'s` and their like are; the rest is cut at
hyphens, slashes and the like between letters unless it is an address. This is how spaCy's English tokenizer cuts, on
which the published thresholds' best known implementation stands, but for its lists of words.

The compiled functions stand in one file because numba notices a changed file, not a changed file of what it calls.
"""

# mypy: disable-error-code="no-any-return, return-value"
# (numba's records and numbers have no types that mypy knows)

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from tunesmith.core.text import Counts
from tunesmith.data.kernels.signs import (
    AMOUNT,
    ANCHOR,
    ANCHORS,
    BULLET,
    COUNTED,
    DIGIT,
    ICON,
    INNER,
    KNOWN,
    LETTER,
    LOWER,
    MARK,
    OPENS,
    PLAIN,
    PUNCTUATION,
    QUOTE,
    SPACE,
    STOP,
    UPPER,
    signs,
)
from tunesmith.data.views import bytes_of

LONGEST = 1 << 16  # a chunk of more characters is one token: it is data, not text
SHORT_LINE = 30  # characters: FineWeb (Penedo et al. 2024)
C4_LONGEST, C4_WORDS = 1000, 3  # characters of a line's longest word, words of a line: C4 (c4_utils.py)
TOP, REPEATED = (2, 3, 4), (5, 6, 7, 8, 9, 10)  # lengths of n-grams: Gopher (Rae et al. 2021, table A1)

MANY = {"top_grams": (len(TOP),), "repeated_grams": (len(REPEATED),)}
ROW = np.dtype([(field.name, np.int64, MANY.get(field.name, ())) for field in fields(Counts)])
TOKEN = np.dtype([("hash", np.uint64), ("end", np.int64)])  # end: the characters of all tokens up to here
PIECE = np.dtype([("hash", np.uint64), ("characters", np.int64)])  # a line or a paragraph
SIGN = np.dtype([("code", np.int32), ("flags", np.int32), ("begins", np.int32)])  # whether a token begins here
STATE = np.dtype(
    [
        ("at", np.int64),  # byte to be read next
        ("hash", np.uint64),  # of the line so far
        ("characters", np.int64),
        ("words", np.int64),  # between white space
        ("longest", np.int64),  # of them, in characters
        ("sentences", np.int64),  # that have begun behind another in this line
        ("ended", np.int64),  # whether the latest of them has
        ("first", np.int64),  # the flags of the line's first sign that is not white space
        ("last", np.int64),  # and of its last
        ("start", np.int64),  # where these stand
        ("stop", np.int64),
        ("paragraph", np.uint64),  # hash of the paragraph so far
        ("size", np.int64),  # its characters
    ]
)
SIMPLE = LETTER | DIGIT | PLAIN | ANCHOR
SEED, STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
NEWLINE, RETURN = 10, 13
PERIOD, PLUS, HYPHEN, COLON, SLASH, AT = map(ord, ".+-:/@")
HASH, COMMA, ELLIPSIS, UNDERSCORE, OPEN, CLOSE, QUESTION, TIMES, CARET = map(ord, "#,…_[]?*^")
C4_ENDS = tuple(map(ord, ".?!\"'"))
APOSTROPHES = (ord("'"), ord("’"))

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher: Rae et al. 2021, appendix A.1.1
LOREM, SCRIPT, POLICY, BRACE = 1, 2, 4, 8
PHRASES = (  # C4: Raffel et al. 2020, section 2.2, and c4_utils.py of TensorFlow Datasets
    ("{", BRACE), ("lorem ipsum", LOREM), ("javascript", SCRIPT), ("terms of use", POLICY), ("privacy policy", POLICY),
    ("cookie policy", POLICY), ("uses cookies", POLICY), ("use of cookies", POLICY), ("use cookies", POLICY),
)  # fmt: skip
PHRASE_BYTES = np.array([phrase.encode() for phrase, _ in PHRASES]).view(np.uint8).reshape(len(PHRASES), -1)
PHRASE_SIZES = np.array([len(phrase) for phrase, _ in PHRASES])
PHRASE_KINDS = np.array([kind for _, kind in PHRASES])
PHRASE_ANCHORS = np.array([next(at for at, sign in enumerate(phrase) if sign in ANCHORS) for phrase, _ in PHRASES])

compiled_with_arrays = njit(cache=True, nogil=True)
# Without counts of who refers to an array, which took a third of the time; such a function can make no arrays.
compiled = njit(cache=True, nogil=True, _nrt=False)

Bytes = NDArray[np.uint8]
Flags = NDArray[np.uint16]
Hashes = NDArray[np.uint64]
Integers = NDArray[np.int32]
Record = Any  # an attribute for each field of its dtype
Records = Any


class Table(NamedTuple):
    """Numbers keys from one, in the order in which they come, and counts them; and the n-grams that are keys."""

    slots: Integers  # the number of a key, zero in an empty slot
    keys: Hashes  # by number
    first: Integers  # by number: the token at which it first begins
    times: Integers  # by number; of the odd and the even lengths of n-grams
    where: Integers  # each n-gram left: the token at which it begins
    grams: Integers  # and its number


def counts(texts: pa.StringArray) -> Counts:
    """The counts of each text; a null text has those of an empty one."""
    data, offsets = bytes_of(texts)
    rows = np.zeros(len(texts), ROW)
    _count(data, offsets, signs(), _stop_words(), rows)
    return Counts(**{name: rows[name] for name in ROW.names or ()})


@cache
def _stop_words() -> Hashes:
    """Hashes of the stop words, a row each: as it is and with a capital."""
    forms = [[word, word.title()] for word in STOP_WORDS]
    return np.array([[_hash_of(np.array([*map(ord, form)])) for form in row] for row in forms], np.uint64)


@compiled_with_arrays
def _hash_of(codes: NDArray[np.int64]) -> np.uint64:
    value = SEED
    for code in codes:
        value = _mixed(value, code)
    return _finished(value)


@compiled
def _mixed(value: np.uint64, code: int) -> np.uint64:
    return (value ^ np.uint64(code)) * STEP


@compiled
def _finished(value: np.uint64) -> np.uint64:
    return (value ^ (value >> np.uint64(32))) | np.uint64(1)  # never zero, which is an empty slot


@compiled_with_arrays
def _count(data: Bytes, offsets: NDArray[np.int64], table: Flags, stop_words: Hashes, rows: Records) -> None:
    """Fill the rows. Room for one document is kept for the next and grows to the largest."""
    tokens, chunk = np.empty(2 * LONGEST, TOKEN), np.empty(LONGEST + 1, SIGN)
    lines, paragraphs = np.empty(1 << 8, PIECE), np.empty(1 << 8, PIECE)
    index = _room(1 << 8)
    state = np.zeros(1, STATE)[0]
    for r in range(len(rows)):
        row, end = rows[r], offsets[r + 1]
        _begin(state, offsets[r])
        tokens[0].end = 0
        _read(data, end, table, row, state, tokens, lines, paragraphs, chunk)
        while state.at < end:
            if row.lines == len(lines):
                lines, paragraphs = _twice(lines), _twice(paragraphs)
            else:
                tokens = _twice(tokens)
            _read(data, end, table, row, state, tokens, lines, paragraphs, chunk)
        most = max(row.tokens, row.lines)
        if most >= len(index.keys):
            index = _room(2 * most)
        _repeats(row, lines, paragraphs, index)
        _grams(row, tokens, index, stop_words)


@compiled_with_arrays
def _twice(had: Records) -> Records:
    more = np.empty(2 * len(had), had.dtype)
    for i in range(len(had)):
        more[i] = had[i]
    return more


# Reading: bytes to chunks, lines and paragraphs


@compiled
def _read(
    data: Bytes, end: int, table: Flags, row: Record, state: Record, tokens: Records, lines: Records,
    paragraphs: Records, chunk: Records,
) -> None:  # fmt: skip
    """Read a document from `state.at` on, as far as there is room for what it holds."""
    while state.at < end and row.tokens + LONGEST < len(tokens) and row.lines < len(lines):
        code, width = _code(data, state.at, end)
        if not _flags_of(table, code) & SPACE:
            _read_chunk(data, end, table, row, state, tokens, chunk)
        else:
            state.at += width
            row.characters += 1
            if code == NEWLINE:
                row.newlines += 1
                _close_line(data, table, row, state, lines, paragraphs)
            elif code != RETURN or (state.at < end and data[state.at] != NEWLINE):
                state.hash = _mixed(state.hash, code)
                state.characters += 1
    if state.at == end and row.lines < len(lines):
        if state.words:
            _close_line(data, table, row, state, lines, paragraphs)
        _close_paragraph(row, state, paragraphs)


@compiled
def _begin(state: Record, at: int) -> None:
    state.at = at
    state.paragraph, state.size = SEED, 0
    _begin_line(state)


@compiled
def _begin_line(state: Record) -> None:
    state.hash = SEED
    state.characters = state.words = state.longest = state.sentences = state.ended = 0


@compiled
def _code(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A code point and how many bytes it has; a byte that begins none stands for itself."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC0 or at + width > end:
        return first, 1
    code = first & (0xFF >> (width + 1))
    for i in range(at + 1, at + width):
        code = code << 6 | (data[i] & 0x3F)
    return code, width


@compiled
def _flags_of(table: Flags, code: int) -> int:
    return np.int64(table[code]) if code < KNOWN else 0


@compiled
def _read_chunk(
    data: Bytes, end: int, table: Flags, row: Record, state: Record, tokens: Records, chunk: Records
) -> None:
    start = at = state.at
    size, value, seen, first, flags = 0, SEED, 0, 0, 0
    while at < end:
        code, width = _code(data, at, end)
        found = _flags_of(table, code)
        if found & SPACE:
            break
        if size == 0:
            first = found
        value = _mixed(value, code)
        flags = found
        seen |= found
        size += 1
        at += width
    _note_chunk(row, state, value, size, start, at, first, flags)
    if seen & ~SIMPLE and size <= LONGEST:
        _split(data, start, at, table, seen, row, state, tokens, chunk)
    else:
        _add(value, seen, 0, size, row, state, tokens)


@compiled
def _note_chunk(
    row: Record, state: Record, value: np.uint64, size: int, start: int, stop: int, first: int, last: int
) -> None:
    if state.words == 0:
        state.first, state.start = first, start
    state.last = last
    state.at = state.stop = stop
    state.hash = _mixed(state.hash, value)
    state.characters += size
    state.words += 1
    state.longest = max(state.longest, size)
    row.characters += size


@compiled
def _add(value: np.uint64, seen: int, every: int, size: int, row: Record, state: Record, tokens: Records) -> None:
    """Note a token: its hash, the flags that any and that every sign of it has, and its size in characters."""
    before = row.tokens
    row.tokens = before + 1
    tokens[before + 1].hash = _finished(value)
    tokens[before + 1].end = tokens[before].end + size
    if seen & PLAIN:
        row.words += 1
        row.word_characters += size
        if seen & LETTER:
            row.letter_tokens += 1
    if size == 1 and seen & STOP:
        state.ended = 1
    elif state.ended and not every & PUNCTUATION:
        state.sentences += 1
        state.ended = 0


# Cutting a chunk into tokens


@compiled
def _split(
    data: Bytes, at: int, end: int, table: Flags, some: int, row: Record, state: Record, tokens: Records, chunk: Records
) -> None:
    """Cut a chunk: mark the signs at which tokens begin, then note the tokens."""
    b, start = 0, at
    while at < end:
        code, width = _code(data, at, end)
        chunk[b].code, chunk[b].flags, chunk[b].begins = code, _flags_of(table, code), 0
        b += 1
        at += width
    chunk[b].begins = 1
    if some & COUNTED:
        _count_symbols(chunk, b, row)
    _mark(chunk, b, some)
    value, seen, every, size = SEED, 0, -1, 0
    for i in range(b):
        value = _mixed(value, chunk[i].code)
        seen |= chunk[i].flags
        every &= chunk[i].flags
        size += 1
        if chunk[i + 1].begins:
            _add(value, seen, every, size, row, state, tokens)
            value, seen, every, size = SEED, 0, -1, 0
    stop = _before_citations(data, start, end)
    if start < stop < end and data[stop - 1] in C4_ENDS:  # a sentence ends before its citation.[2]
        state.ended = 1


@compiled
def _mark(chunk: Records, b: int, some: int) -> None:
    """Mark where tokens begin: first those at both ends, then what they enclose."""
    a, size = 0, 1
    while a < b and size:
        chunk[a].begins = 1
        size = _front(chunk, a, b)
        a += size
    size = 1
    while a < b and size:
        size = _back(chunk, a, b)
        b -= size
        chunk[b].begins = 1
    if a < b and some & (INNER | ICON | QUOTE):
        _mark_core(chunk, a, b)


@compiled
def _count_symbols(chunk: Records, size: int, row: Record) -> None:
    periods = 0
    for i in range(size):
        code = chunk[i].code
        periods = periods + 1 if code == PERIOD else 0
        if code == HASH:
            row.hashes += 1
        elif code == ELLIPSIS or periods == 3:
            row.ellipses += 1
            periods = 0


@compiled
def _periods(chunk: Records, a: int, b: int) -> int:
    """How many full stops stand here."""
    i = a
    while i < b and chunk[i].code == PERIOD:
        i += 1
    return i - a


@compiled
def _front(chunk: Records, a: int, b: int) -> int:
    """How many signs of [a, b) are a mark at its beginning."""
    if chunk[a].code == PERIOD:
        size = _periods(chunk, a, b)
        return size if size > 1 else 0
    if chunk[a].code == PLUS and a + 1 < b and chunk[a + 1].flags & DIGIT:
        return 0
    return 1 if chunk[a].flags & OPENS else 0


@compiled
def _back(chunk: Records, a: int, b: int) -> int:
    """How many signs of [a, b) are a mark at its end."""
    last = b - 1
    flags = chunk[last].flags
    if chunk[last].code == PERIOD:
        while last > a and chunk[last - 1].code == PERIOD:
            last -= 1
        return b - last if b - last > 1 else 1 if last > a and _ends_sentence(chunk, a, last) else 0
    if flags & MARK or (flags & AMOUNT and last > a and chunk[last - 1].flags & DIGIT):
        return 1
    is_possessive = chunk[last].code | 32 == 115 and _contraction(chunk, a, b) == b - 2  # 's
    return 2 if is_possessive else 0


@compiled
def _ends_sentence(chunk: Records, a: int, period: int) -> bool:
    """Whether a full stop is no part of an abbreviation: J. Smith, U.S., i.e."""
    before = chunk[period - 1].flags
    if not before & LETTER:
        return before & (DIGIT | MARK | AMOUNT) != 0 or chunk[period - 1].code == HYPHEN
    if period - 1 == a:
        return False
    if chunk[period - 2].flags & LETTER:
        return before & LOWER != 0 or chunk[period - 2].flags & UPPER != 0
    return before & LOWER != 0 and chunk[period - 2].code != PERIOD


@compiled
def _contraction(chunk: Records, a: int, b: int) -> int:
    """Where 's, 'd, 'm, 'll, 're, 've or n't begins that ends [a, b); b if none does."""
    last = chunk[b - 1].code | 32
    if b - a > 2 and chunk[b - 2].code in APOSTROPHES:
        if last in (115, 100, 109):  # s d m
            return b - 2
        return b - 3 if b - a > 3 and last == 116 and chunk[b - 3].code | 32 == 110 else b  # n't
    if b - a > 3 and chunk[b - 3].code in APOSTROPHES:
        before = chunk[b - 2].code | 32
        if (last == 108 and before == 108) or (last == 101 and (before == 114 or before == 118)):  # ll re ve
            return b - 3
    return b


@compiled
def _mark_core(chunk: Records, a: int, b: int) -> None:
    """Mark a contraction behind its word, and what stands between letters."""
    end = _contraction(chunk, a, b)
    chunk[end].begins = 1
    i = a + 1
    while i < end and not chunk[i].flags & (INNER | ICON):
        i += 1
    if i < end and _is_address(chunk, a, end):
        return
    while i < end:
        size = _inner(chunk, i, end) if chunk[i].flags & (INNER | ICON) else 0
        if size:
            chunk[i].begins = chunk[i + size].begins = 1
        i += max(size, 1)


@compiled
def _inner(chunk: Records, i: int, b: int) -> int:
    """How many signs from i on stand for themselves, between what is before and after them."""
    if chunk[i].flags & ICON:
        return 1
    if i + 1 >= b:
        return 0
    code, before, after = chunk[i].code, chunk[i - 1].flags, chunk[i + 1].flags
    if code == PERIOD:
        size = _periods(chunk, i, b)
        if size > 1:
            return size
        return 1 if before & (LOWER | QUOTE) and after & (UPPER | QUOTE) else 0
    if code == COMMA:
        return 1 if before & LETTER and after & LETTER else 0
    if code in (PLUS, TIMES, CARET):
        return 1 if before & DIGIT and (after & DIGIT or chunk[i + 1].code == HYPHEN) else 0
    return _joint(chunk, i, b)


@compiled
def _joint(chunk: Records, i: int, b: int) -> int:
    """How many hyphens, or whether a dash, a slash, a colon or a sign of comparison, join two words here."""
    code, before, after = chunk[i].code, chunk[i - 1].flags, chunk[i + 1].flags
    if code == HYPHEN and before & DIGIT and (after & DIGIT or chunk[i + 1].code == HYPHEN):
        return 1
    size = 1
    while code == HYPHEN and size < 3 and i + size < b and chunk[i + size].code == HYPHEN:
        size += 1
    return size if before & (LETTER | DIGIT) and i + size < b and chunk[i + size].flags & LETTER else 0


@compiled
def _is_address(chunk: Records, a: int, b: int) -> bool:
    """Whether this is a URL, or a domain or e-mail address that ends in a name of small letters, or in a path."""
    i = a
    while i < b and (chunk[i].flags & (LETTER | DIGIT) or chunk[i].code in (PERIOD, PLUS, HYPHEN)):
        i += 1
    if i - a > 1 and i + 2 < b and chunk[i].code == COLON and chunk[i + 1].code == chunk[i + 2].code == SLASH:
        return True
    if i == b or chunk[i].code != AT:
        i = a
    else:
        i += 1
    return _is_domain(chunk, i, b)


@compiled
def _is_domain(chunk: Records, i: int, b: int) -> bool:
    label, labels = i, 0
    while i < b and (chunk[i].flags & (LETTER | DIGIT) or chunk[i].code in (HYPHEN, UNDERSCORE)):
        i += 1
        if i < b and chunk[i].code == PERIOD:
            labels += 1
            i += 1
            label = i
    for k in range(label, i):
        if not chunk[k].flags & LOWER:
            return False
    return labels > 0 and i - label > 1 and (i == b or chunk[i].code in (SLASH, QUESTION, HASH, COLON))


# Lines and paragraphs


@compiled
def _close_line(data: Bytes, table: Flags, row: Record, state: Record, lines: Records, paragraphs: Records) -> None:
    if state.words == 0:
        _close_paragraph(row, state, paragraphs)
    else:
        lines[row.lines].hash, lines[row.lines].characters = _finished(state.hash), state.characters
        row.lines += 1
        row.bullet_lines += state.first & BULLET != 0
        row.stopped_lines += state.last & STOP != 0
        row.short_lines += state.characters <= SHORT_LINE
        row.ellipsis_lines += _ends_in_ellipsis(data, state.start, state.stop)
        if state.longest <= C4_LONGEST and state.words >= C4_WORDS:
            _close_c4_line(data, table, row, state)
        state.paragraph = _mixed(state.paragraph, state.hash)
        state.size += state.characters + 1
    _begin_line(state)


@compiled
def _close_paragraph(row: Record, state: Record, paragraphs: Records) -> None:
    if state.size:
        paragraphs[row.paragraphs].hash = _finished(state.paragraph)
        paragraphs[row.paragraphs].characters = state.size - 1
        row.paragraphs += 1
        state.paragraph, state.size = SEED, 0


@compiled
def _ends_in_ellipsis(data: Bytes, start: int, stop: int) -> bool:
    if stop - start < 3:
        return False
    a, b, c = data[stop - 3], data[stop - 2], data[stop - 1]
    return (a == PERIOD and b == PERIOD and c == PERIOD) or (a == 0xE2 and b == 0x80 and c == 0xA6)  # … in UTF-8


@compiled
def _close_c4_line(data: Bytes, table: Flags, row: Record, state: Record) -> None:
    """Count the sentences of a line that C4 keeps: one that ends as sentences do and speaks of no script or policy."""
    stop = _before_citations(data, state.start, state.stop)
    if stop == state.start or data[stop - 1] not in C4_ENDS or _ends_in_ellipsis(data, state.start, stop):
        return
    kinds = _phrases(data, state.start, stop, table)
    if kinds & LOREM:
        row.c4_lorem_ipsum += 1
    elif kinds & SCRIPT == 0 and kinds & BRACE:
        row.c4_curly_brackets += 1
    elif kinds & (SCRIPT | POLICY) == 0:
        row.c4_sentences += state.sentences + 1


@compiled
def _before_citations(data: Bytes, start: int, stop: int) -> int:
    """Where a line ends without [1] and the like, and the blanks before them."""
    while stop > start and data[stop - 1] == CLOSE:
        at = stop - 2
        while at > start and 48 <= data[at] <= 57:
            at -= 1
        if at < start or data[at] != OPEN:
            return stop
        while at > start and data[at - 1] == 32:
            at -= 1
        stop = at
    return stop


@compiled
def _phrases(data: Bytes, start: int, stop: int, table: Flags) -> int:
    """Which kinds of phrases stand here, in small letters or capitals."""
    found = 0
    for at in range(start, stop):
        if table[data[at]] & ANCHOR:
            for phrase in range(len(PHRASE_SIZES)):
                begin = at - PHRASE_ANCHORS[phrase]
                size = PHRASE_SIZES[phrase]
                if begin >= start and begin + size <= stop and _is_phrase(data, begin, phrase, size):
                    found |= PHRASE_KINDS[phrase]
    return found


@compiled
def _is_phrase(data: Bytes, begin: int, phrase: int, size: int) -> bool:
    for i in range(size):
        byte = data[begin + i]
        if PHRASE_BYTES[phrase, i] != (byte | 32 if 65 <= byte <= 90 else byte):
            return False
    return True


# Repetition


@compiled_with_arrays
def _room(keys: int) -> Table:
    """A table for so many keys."""
    return Table(
        np.empty(_slots(keys), np.int32),
        np.empty(keys + 1, np.uint64),
        np.empty(keys + 1, np.int32),
        np.empty((2, keys + 1), np.int32),
        np.empty(keys + 1, np.int32),
        np.empty(keys + 1, np.int32),
    )


@compiled
def _slots(keys: int) -> int:
    """How many slots so many keys need: a power of two, at least twice as many."""
    slots = 64
    while slots < 2 * keys:
        slots *= 2
    return slots


@compiled
def _slot(table: Table, key: np.uint64, last: int) -> int:
    """Where the number of a key stands, or the empty slot where it would."""
    slot = np.int64((key * STEP) >> np.uint64(32)) & last
    while table.slots[slot] and table.keys[table.slots[slot]] != key:
        slot = (slot + 1) & last
    return slot


@compiled
def _repeated(pieces: Records, n: int, table: Table) -> tuple[int, int]:
    """How many of these have stood before, and their characters."""
    last = _slots(n) - 1
    table.slots[: last + 1] = 0
    number, characters = 0, 0
    for i in range(n):
        slot = _slot(table, pieces[i].hash, last)
        if table.slots[slot]:
            characters += pieces[i].characters
        else:
            number += 1
            table.slots[slot], table.keys[number] = number, pieces[i].hash
    return n - number, characters


@compiled
def _repeats(row: Record, lines: Records, paragraphs: Records, table: Table) -> None:
    row.repeated_lines, row.repeated_line_characters = _repeated(lines, row.lines, table)
    row.repeated_paragraphs, row.repeated_paragraph_characters = _repeated(paragraphs, row.paragraphs, table)


@compiled
def _grams(row: Record, tokens: Records, table: Table, stop_words: Hashes) -> None:
    """The n-grams that occur more than once, from tokens to 10-grams, each length from the one before.

    An n-gram occurs more than once only if the two (n-1)-grams in it do. So each length looks only at those left, and
    the numbers of the two stand for an n-gram exactly.
    """
    _number_tokens(tokens, row.tokens, table)
    row.stop_words = _among(stop_words, table, _slots(row.tokens) - 1)
    left, numbers = row.tokens, row.tokens
    for n in range(2, REPEATED[-1] + 1):
        left, numbers = _number_pairs(table, left, table.times[n & 1 ^ 1], table.times[n & 1])
        if n <= TOP[-1]:
            row.top_grams[n - TOP[0]] = _top(table, numbers, table.times[n & 1], tokens, n) if n <= row.tokens else 0
        elif left:
            row.repeated_grams[n - REPEATED[0]] = _repeated_characters(table, left, n, table.times[n & 1], tokens)


@compiled
def _number_tokens(tokens: Records, n: int, table: Table) -> None:
    last, number, times = _slots(n) - 1, 0, table.times[1]
    table.slots[: last + 1] = 0
    for i in range(n):
        number = _number(table, tokens[i + 1].hash, last, i, i, number, times)


@compiled
def _number_pairs(table: Table, n: int, had: Integers, times: Integers) -> tuple[int, int]:
    """Number the pairs of neighbours that occur more than once; they take the place of these n-grams."""
    last, number, left = _slots(n) - 1, 0, 0
    table.slots[: last + 1] = 0
    occurs_again = n > 0 and had[table.grams[0]] != 1
    for i in range(n - 1):
        first, second, where = table.grams[i], table.grams[i + 1], table.where[i]
        did, occurs_again = occurs_again, had[second] != 1
        if did and occurs_again and table.where[i + 1] == where + 1:
            key = np.uint64(first) << np.uint64(32) | np.uint64(second)
            number = _number(table, key, last, left, where, number, times)
            left += 1
    return left, number


@compiled
def _number(table: Table, key: np.uint64, last: int, i: int, where: int, number: int, times: Integers) -> int:
    """Write down the number of a key as the i-th n-gram, and count it; gives the last number given so far."""
    slot = _slot(table, key, last)
    given = table.slots[slot]
    if not given:
        number += 1
        given = number
        table.slots[slot], table.keys[given], table.first[given], times[given] = given, key, where, 0
    times[given] += 1
    table.where[i], table.grams[i] = where, given
    return number


@compiled
def _top(table: Table, numbers: int, times: Integers, tokens: Records, n: int) -> int:
    """Characters that the commonest n-gram covers, with blanks between its tokens; of several the first."""
    most, where = 1, 0
    for number in range(1, numbers + 1):
        if times[number] > most:
            most, where = times[number], table.first[number]
    return most * (tokens[where + n].end - tokens[where].end + n - 1)


@compiled
def _repeated_characters(table: Table, left: int, n: int, times: Integers, tokens: Records) -> int:
    """Characters in n-grams that have stood before; none counts twice, and one begins only behind another's end."""
    characters, after = 0, 0
    for i in range(left):
        begin, number = table.where[i], table.grams[i]
        if begin < after or times[number] == 1:
            continue
        if times[number] < 0:
            after = begin + n
            characters += tokens[after].end - tokens[begin].end
        else:
            times[number] = -times[number]  # it has stood now
    return characters


@compiled
def _among(words: Hashes, table: Table, last: int) -> int:
    """How many of these words, each in any of its forms, are among the tokens just numbered."""
    found = 0
    for word in words:
        for form in word:
            if table.slots[_slot(table, form, last)]:
                found += 1
                break
    return found
