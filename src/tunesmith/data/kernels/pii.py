"""Where personal identifiers and secrets may stand in a batch of texts: one pass over the bytes of an Arrow buffer.

What a checksum, a grammar or a word beside it decides is decided here; what needs a library is marked as not sure.
"""

from __future__ import annotations

# mypy: disable-error-code="no-any-return,return-value"
# Numbers and truth values of NumPy arrays are plain ones once this is compiled.
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tunesmith.data.kernels.keccak import keccak_256
from tunesmith.data.kernels.pii_numbers import MAX_GROUPS, card, groups_from, ipv4, phone, ssn
from tunesmith.data.kernels.pii_words import (
    ANCHOR,
    CLASS,
    DIGIT,
    KEY,
    KEY_OF,
    LETTER,
    SECRET,
    STRONG_QUERY,
    TOKEN,
    Bytes,
    Ints,
    Words,
    is_alnum,
    is_digit,
    is_letter,
    tag_of,
    tags_in,
)

# The kinds by number; the later ones win where two overlap.
PHONE, IP, SSN, CARD, IBAN, WALLET, EMAIL, API_KEY, URL, PRIVATE_KEY = range(10)
KINDS = (
    "phone", "ip", "ssn", "card", "iban", "crypto", "email", "api_key", "url_credentials", "private_key",
)  # fmt: skip
ROW, BEGIN, STOP, KIND, SURE = range(5)  # columns of a table of finds

NO_DOMAINS = np.frombuffer(  # ends of names of files and of systemd units that look like those of domains
    b" cfg conf cpp css csv dll exe gif gz hpp html jar java jpeg jpg js json lock log mount pdf php png rb rst service"
    b" slice socket svg swp target tar timer toml ts txt webp xml yaml yml zip ",
    np.uint8,
)
FILES_OF_TWO = np.frombuffer(
    b" cc md pm py rs sh so ", np.uint8
)  # domains of countries too: only refused after one label
LONGEST_NAME, LONGEST_URL_USER, LONGEST_PEM = 64, 256, 1 << 14  # of the local part (RFC 5321), in bytes


class Tables(NamedTuple):
    """What the scanner looks things up in."""

    words: Words  # beside numbers and before secrets
    queries: Words  # names in query strings
    prefixes: Words  # of API keys; with their capitals
    issuers: Ints  # from and to which first six digits, and a bit for each length
    ibans: Ints  # length by country, 26 times the first letter and the second


@njit(cache=True, nogil=True)
def scan(data: Bytes, bounds: Ints, wanted: NDArray[np.bool_], tables: Tables) -> tuple[Ints, NDArray[np.bool_]]:
    """A table of what was found (row, first byte, end, kind, sure), and which rows have digits of other scripts."""
    found = np.empty((64, 5), np.int64)
    groups = np.empty((MAX_GROUPS + 1, 3), np.int64)
    hit = np.zeros(5, np.int64)
    foreign = np.zeros(len(bounds) - 1, np.bool_)
    count = 0
    for row in range(len(bounds) - 1):
        low, high = bounds[row], bounds[row + 1]
        i = low
        while i < high:
            kind = CLASS[data[i]]
            if kind == 0:
                i += 1
                continue
            hit[STOP] = 0
            if kind != ANCHOR:
                start = i
                i, seen = _token_end(data, i, high)
                if _may_hold(data, start, i, high, seen):  # tables are only handed on where they are needed: that costs
                    _token(data, low, high, start, i, seen, groups, tables, hit)
            else:
                foreign[row] |= data[i] >= 128 and _is_foreign_digit(data, i, high)
                _at_anchor(data, low, high, i, hit)
                if data[i] == 63 or data[i] == 38:  # ? &
                    _query(data, high, i, tables.queries, hit)
                i += 1
            if hit[STOP] and wanted[hit[KIND]]:
                found = _kept(found, count, row, hit)
                count += 1
                if hit[SURE]:  # what is refused later must not hide what stands in it
                    i = max(i, hit[STOP])
    return found[:count], foreign


@njit(cache=True, nogil=True)
def _kept(found: Ints, count: int, row: int, hit: Ints) -> Ints:
    """The table with one more find in it; a longer one if it was full."""
    if count == len(found):
        found = np.concatenate((found, np.empty_like(found)))
    found[count] = hit
    found[count, ROW] = row
    return found


@njit(cache=True, nogil=True)
def _token_end(data: Bytes, start: int, high: int) -> tuple[int, int]:
    """Where the token that begins here ends, and of which classes its bytes are."""
    i, seen = start, 0
    while i < high and CLASS[data[i]] & TOKEN:
        seen |= CLASS[data[i]]
        i += 1
    return i, seen


@njit(cache=True, nogil=True)
def _set(hit: Ints, start: int, stop: int, kind: int, sure: bool) -> bool:
    hit[BEGIN], hit[STOP], hit[KIND], hit[SURE] = start, stop, kind, sure
    return True


@njit(cache=True, nogil=True)
def _is_foreign_digit(data: Bytes, i: int, high: int) -> bool:
    """Whether an Arabic, Persian or full-width digit stands here."""
    if data[i] == 0xEF:
        return i + 2 < high and data[i + 1] == 0xBC and 0x90 <= data[i + 2] <= 0x99
    if i + 1 >= high:
        return False
    return 0xA0 <= data[i + 1] <= 0xA9 if data[i] == 0xD9 else 0xB0 <= data[i + 1] <= 0xB9


@njit(cache=True, nogil=True)
def _at_anchor(data: Bytes, low: int, high: int, i: int, hit: Ints) -> None:
    """What an @ or a colon is a part of."""
    if data[i] == 64:
        _email(data, low, high, i, hit)
    elif data[i] == 58 and i + 1 < high:
        if data[i + 1] == 47:
            _user_of_url(data, low, high, i, hit)
        elif data[i + 1] == 58 or _is_hex(data[i + 1]):
            _ipv6(data, low, high, i, hit)


@njit(cache=True, nogil=True)
def _is_name(data: Bytes, i: int, low: int, high: int) -> bool:
    """Whether a letter or digit stands here: of ASCII, or of the alphabets that UTF-8 writes in two bytes."""
    byte = data[i]
    if byte < 128:
        return is_alnum(byte) and byte != 95
    if byte >= 0xC3:
        return byte <= 0xD6 and i + 1 < high
    return i > low and 0xC3 <= data[i - 1] <= 0xD6


@njit(cache=True, nogil=True)
def _domain_end(data: Bytes, start: int, high: int) -> tuple[int, int, int]:
    """Where a domain ends, where its last label begins, and how many dots it has."""
    i, label, dots = start, start, 0
    while i < high:
        if _is_name(data, i, start, high) or (
            data[i] == 45 and i > label and i + 1 < high and (_is_name(data, i + 1, start, high) or data[i + 1] == 45)
        ):
            i += 1
        elif data[i] == 46 and i > label and i + 1 < high and _is_name(data, i + 1, start, high):
            i += 1
            label = i
            dots += 1
        else:
            break
    return i, label, dots


@njit(cache=True, nogil=True)
def _listed(data: Bytes, start: int, end: int, listed: Bytes) -> bool:
    """Whether a word of ASCII stands between spaces in a list."""
    length = end - start
    for place in range(len(listed) - length - 1):
        if listed[place] == 32 and listed[place + length + 1] == 32:
            same = True
            for i in range(length):
                same = same and data[start + i] | 32 == listed[place + 1 + i]
            if same:
                return True
    return False


@njit(cache=True, nogil=True)
def _is_top_level(data: Bytes, label: int, end: int, dots: int) -> bool:
    """Whether the last label can be a top-level domain: two letters or more, and not the end of a file's name."""
    if end - label < 2 or dots == 0:
        return False
    punycode = end - label > 4 and data[label] | 32 == 120 and data[label + 2] == 45
    for i in range(label, end):
        if not punycode and (is_digit(data[i]) or data[i] == 45):
            return False
    return not (_listed(data, label, end, NO_DOMAINS) or (dots == 1 and _listed(data, label, end, FILES_OF_TWO)))


@njit(cache=True, nogil=True)
def _email(data: Bytes, low: int, high: int, i: int, hit: Ints) -> None:
    start = i
    while start > low and i - start < LONGEST_NAME + 2:
        byte = data[start - 1]
        if not (_is_name(data, start - 1, low, high) or byte in (46, 95, 37, 43, 45, 38)):  # . _ % + - &
            break
        start -= 1
    while start < i and data[start] in (46, 45, 37, 38, 43):
        start += 1
    if start == i or data[i - 1] == 46:
        return
    end, label, dots = _domain_end(data, i + 1, high)
    if not _is_top_level(data, label, end, dots) or (end < high and data[end] in (40, 64, 95)):  # ( @ _
        return
    if i - start == 3 and data[start] == 103 and data[start + 1] == 105 and data[start + 2] == 116:  # git@ is nobody
        return
    _set(hit, start, end, EMAIL, True)


@njit(cache=True, nogil=True)
def _user_of_url(data: Bytes, low: int, high: int, i: int, hit: Ints) -> None:
    """The user and password of scheme://user:password@host."""
    if i + 3 >= high or data[i + 2] != 47 or i == low or not is_alnum(data[i - 1]):
        return
    colon, at, p = 0, 0, i + 3
    while p < min(high, i + LONGEST_URL_USER):
        byte = data[p]
        if byte <= 32 or byte in (34, 39, 47, 60, 62, 63, 35, 96, 92, 123, 36):  # space " ' / < > ? # ` \ { $
            break
        if byte == 58 and colon == 0:
            colon = p
        if byte == 64:
            at = p
        p += 1
    if colon and at > colon + 1 and (data[colon + 1 : at] != 42).any():
        _set(hit, i + 3, at, URL, True)


@njit(cache=True, nogil=True)
def _query(data: Bytes, high: int, i: int, queries: Words, hit: Ints) -> None:
    """The value of a secret in a query string, as ?access_token=value."""
    name = i + 5 if data[i] == 38 and i + 5 < high and data[i + 1] == 97 and data[i + 4] == 59 else i + 1  # &amp;
    equals = name
    while equals < min(high, name + 24) and CLASS[data[equals]] & TOKEN:
        equals += 1
    if equals == name or equals >= high or data[equals] != 61:
        return
    tag = tag_of(data, name, equals, queries)
    if tag == 0:
        return
    start, end, seen = equals + 1, equals + 1, 0
    while end < high and (CLASS[data[end]] & TOKEN or data[end] in (37, 43, 47, 61, 126)):  # % + / = ~
        seen |= CLASS[data[end]]
        end += 1
    looks_random = end - start >= 16 and seen & DIGIT and seen & LETTER
    if looks_random or (tag & STRONG_QUERY and end - start >= 6):
        _set(hit, start, end, URL, True)


@njit(cache=True, nogil=True)
def _is_hex(byte: np.uint8) -> bool:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 102


@njit(cache=True, nogil=True)
def _ipv6(data: Bytes, low: int, high: int, i: int, hit: Ints) -> None:
    """What has the form of an IP address of version 6; a library decides."""
    start = i
    while start > low and _is_hex(data[start - 1]) and i - start < 5:
        start -= 1
    if start > low and (is_alnum(data[start - 1]) or data[start - 1] in (58, 46)):
        return
    end, colons, doubles, digits, widest = start, 0, 0, 0, 0
    width = 0
    while end < high and (_is_hex(data[end]) or data[end] in (58, 46)):
        colons += data[end] == 58
        doubles += data[end] == 58 and data[end - 1] == 58 and end > start
        digits += is_digit(data[end])
        width = width + 1 if _is_hex(data[end]) else 0
        widest = max(widest, width)
        end += 1
    while end > start and (data[end - 1] == 46 or (data[end - 1] == 58 and data[end - 2] != 58)):
        end -= 1
    if end < high and is_letter(data[end]) and data[end] < 128:
        return
    whole = colons == 7 and doubles == 0 and widest > 2  # not a list of bytes
    if digits and colons >= 2 and (whole or (doubles == 1 and colons <= 7 and (colons > 2 or widest > 2))):
        _set(hit, start, end, IP, False)


@njit(cache=True, nogil=True)
def _may_hold(data: Bytes, start: int, stop: int, high: int, seen: int) -> bool:
    """Whether a token is worth a closer look; cheap, for nearly all end here."""
    if not seen & DIGIT:
        return data[start] == 45 and data[stop - 1] == 78 and stop - start >= 10  # -----BEGIN
    if stop - start >= 14:
        return True
    if seen & LETTER and stop - start >= 4 and is_digit(data[start + 2]) and is_digit(data[start + 3]):
        return True
    at = _number_at(data, start, stop)
    return at >= 0 and _is_long(data, at, high)


@njit(cache=True, nogil=True)
def _token(
    data: Bytes, low: int, high: int, start: int, stop: int, seen: int, groups: Ints, tables: Tables, hit: Ints
) -> None:
    """What a run of letters, digits, dots, dashes and underscores is, or begins."""
    first, last = start, stop
    while first < last and CLASS[data[first]] & ~(LETTER | DIGIT) & TOKEN:
        first += 1
    while last > first and CLASS[data[last - 1]] & ~(LETTER | DIGIT) & TOKEN:
        last -= 1
    if first - start >= 5 and last - first == 5 and data[first] == 66:  # -----BEGIN
        _private_key(data, high, first, hit)
    if hit[STOP] or first == last:
        return
    if (
        seen & LETTER
        and last - first >= 4
        and is_digit(data[first + 2])
        and _iban(data, high, first, tables.ibans, hit)
    ):
        return
    if last - first >= 14 and seen & DIGIT and _secret(data, low, first, last, stop, seen, tables, hit):
        return
    if seen & DIGIT:
        at = _number_at(data, start, stop)
        if at >= 0 and _is_long(data, at, high):
            _number(data, low, high, at, groups, tables, hit)


@njit(cache=True, nogil=True)
def _starts(data: Bytes, at: int, high: int, text: Bytes) -> bool:
    return at + len(text) <= high and (data[at : at + len(text)] == text).all()


BEGIN_WORD, END_WORD, PRIVATE = (np.frombuffer(word, np.uint8) for word in (b"BEGIN ", b"-----END ", b"PRIVATE KEY"))


@njit(cache=True, nogil=True)
def _private_key(data: Bytes, high: int, first: int, hit: Ints) -> None:
    """A block of PEM that holds a private key, to its end or, if that is missing, as far as it looks like base64."""
    p, is_private = first, False
    while p < min(high, first + 60) and data[p] != 10 and data[p] != 45:
        is_private = is_private or _starts(data, p, high, PRIVATE)
        p += 1
    if not is_private or not _starts(data, first, high, BEGIN_WORD):
        return
    while p < high and data[p] == 45:
        p += 1
    end, body = p, True
    while end < min(high, p + LONGEST_PEM):
        if data[end] == 45 and _starts(data, end, high, END_WORD):
            end += len(END_WORD)
            while end < high and data[end] != 45 and data[end] != 10:
                end += 1
            while end < high and data[end] == 45:
                end += 1
            _set(hit, first - 5, end, PRIVATE_KEY, True)
            return
        end += 1
    while p < high and body:
        body = is_alnum(data[p]) or data[p] in (10, 13, 43, 47, 61, 92)  # line ends, + / = and \n as text
        p += body
    _set(hit, first - 5, p, PRIVATE_KEY, True)


@njit(cache=True, nogil=True)
def _secret(data: Bytes, low: int, first: int, last: int, stop: int, seen: int, tables: Tables, hit: Ints) -> bool:
    """A wallet, a key of a well-known service, or a value that a name before it calls secret."""
    length = last - first
    if length == 42 and data[first] == 48 and data[first + 1] | 32 == 120:
        return _ethereum(data, first, hit)
    if seen & LETTER and _is_wallet(data, first, last):
        return _set(hit, first, last, WALLET, False)
    prefixes = tables.prefixes
    for entry in range(prefixes.first[data[first]], prefixes.first[data[first] + 1]):
        text = prefixes.data[prefixes.ends[entry] : prefixes.ends[entry + 1]]
        if length >= 20 and _starts(data, first, stop, text):
            return _set(hit, first, stop, API_KEY, False)
    return length >= 16 and seen & LETTER != 0 and _is_called_secret(data, low, first, stop, tables.words, hit)


@njit(cache=True, nogil=True)
def _is_wallet(data: Bytes, first: int, last: int) -> bool:
    """Whether the form is that of a Bitcoin address or private key; their checksums are looked at elsewhere."""
    length, lead = last - first, data[first]
    if lead | 32 == 98 and data[first + 1] | 32 == 99 and data[first + 2] == 49:  # bc1
        return length <= 74
    if not (
        (26 <= length <= 35 and lead in (49, 51)) or (51 <= length <= 52 and lead in (53, 75, 76)) or length == 111
    ):
        return False
    for i in range(first, last):
        if not is_alnum(data[i]) or data[i] in (48, 79, 73, 108, 95):  # 0 O I l are not in base 58
            return False
    return length < 111 or lead == 120


@njit(cache=True, nogil=True)
def _ethereum(data: Bytes, first: int, hit: Ints) -> bool:
    """40 hexadecimal digits; where small and capital letters are mixed, they are the checksum of EIP-55."""
    small = np.empty(40, np.uint8)
    used = np.zeros(256, np.bool_)
    lower = upper = False
    for i in range(40):
        byte = data[first + 2 + i]
        if not _is_hex(byte):
            return False
        lower = lower or byte >= 97
        upper = upper or 65 <= byte <= 70
        small[i] = byte | 32
        used[small[i]] = True
    if used.sum() < 8:  # 0x000..001 and the like are nobody's
        return False
    if lower and upper:
        digest = keccak_256(small)
        for i in range(40):
            nibble = digest[i // 2] >> 4 if i % 2 == 0 else digest[i // 2] & 15
            if small[i] >= 97 and (nibble >= 8) != (data[first + 2 + i] < 97):
                return False
    return _set(hit, first, first + 42, WALLET, True)


@njit(cache=True, nogil=True)
def _is_called_secret(data: Bytes, low: int, first: int, stop: int, words: Words, hit: Ints) -> bool:
    """Whether a value of many different signs in quotation marks is assigned to a name such as api_key or password."""
    if first - low < 6 or data[first - 1] not in (34, 39):
        return False
    end, different = first, np.zeros(256, np.bool_)
    while end < len(data) and (CLASS[data[end]] & TOKEN or data[end] in (43, 47, 61)):
        different[data[end]] = True
        end += 1
    if end >= len(data) or data[end] != data[first - 1] or different.sum() < 10 or different[46]:
        return False
    p = first - 2
    while p > low and data[p] == 32:
        p -= 1
    if data[p] not in (58, 61):  # : =
        return False
    while p > low and data[p] in (32, 34, 39, 58, 61, 93):
        p -= 1
    name = p
    while name > low and is_alnum(data[name - 1]) and p - name < 40:
        name -= 1
    tags = tags_in(data, name, p + 1, words)
    if tags & SECRET or (tags & KEY and tags & KEY_OF):
        return _set(hit, first, end, API_KEY, True)
    return False


@njit(cache=True, nogil=True)
def _iban(data: Bytes, high: int, first: int, lengths: Ints, hit: Ints) -> bool:
    """An account number of its country's length whose checksum (ISO 7064, mod 97-10) is right."""
    a, b = (data[first] | 32) - 97, (data[first + 1] | 32) - 97
    if not (0 <= a < 26 and 0 <= b < 26) or data[first] >= 128 or not is_digit(data[first + 3]):
        return False
    length = lengths[a * 26 + b]
    signs = np.empty(34, np.int64)
    taken, i, end = 0, first, first
    while i < high and taken < length:
        if is_alnum(data[i]) and data[i] != 95:
            signs[taken] = data[i] - 48 if is_digit(data[i]) else (data[i] | 32) - 87
            taken += 1
            i += 1
            end = i
        elif data[i] in (32, 45) and i == end and taken % 4 == 0:
            i += 1
        elif data[i] == 0xC2 and i + 1 < high and data[i + 1] == 0xA0 and i == end:
            i += 2
        else:
            return False
    if taken < length or length == 0 or (end < high and is_alnum(data[end])):
        return False
    rest = 0
    for place in range(length):
        sign = signs[(place + 4) % length]
        rest = (rest * (10 if sign < 10 else 100) + sign) % 97
    return rest == 1 and _set(hit, first, end, IBAN, False)


@njit(cache=True, nogil=True)
def _number_at(data: Bytes, start: int, stop: int) -> int:
    """Where a number begins in a token; -1 where its digits belong to a word, as in ISBN-10."""
    first = start
    while first < stop and not is_digit(data[first]):
        first += 1
    if first > start:
        before = data[first - 1]
        if is_letter(before) or before == 95 or (before == 45 and first - start > 1 and is_letter(data[first - 2])):
            return -1
    return first


@njit(cache=True, nogil=True)
def _is_long(data: Bytes, at: int, high: int) -> bool:
    """Whether at least seven digits, or four with three dots, stand here with no more than signs between them."""
    digits, dots, gap, i = 0, 0, 0, at
    while i < high and gap < 4:
        byte = data[i]
        if is_digit(byte):
            digits += 1
            gap = 0
            if digits >= 7 or (digits >= 4 and dots >= 3):
                return True
        elif not (40 <= byte <= 47 or byte == 32 or byte >= 128) or byte in (42, 43, 44):  # space ( ) - . /
            return False
        else:
            dots += byte == 46
            gap += 1 if byte < 128 or byte >= 0xC0 else 0
        i += 1
    return False


@njit(cache=True, nogil=True)
def _number(data: Bytes, low: int, high: int, first: int, groups: Ints, tables: Tables, hit: Ints) -> None:
    """What the digits that begin here are, by the strictest form first."""
    count = groups_from(data, first, high, groups)
    if count == 0:
        return
    end = ipv4(data, low, high, groups, count, tables.words)
    if end:
        _set(hit, first, end, IP, True)
        return
    end = ssn(data, low, groups, count, tables.words)
    if end:
        _set(hit, first, end, SSN, True)
        return
    end = card(data, low, high, groups, count, tables.issuers, tables.words)
    if end:
        _set(hit, first, end, CARD, True)
        return
    begin, end, sure = phone(data, low, high, groups, count, tables.words)
    if end:
        _set(hit, begin, end, PHONE, sure)


@njit(cache=True, nogil=True)
def without_overlaps(found: Ints) -> NDArray[np.bool_]:
    """Which finds stay, of a table in order of place: of two that overlap the one of the stronger kind."""
    stays = np.ones(len(found), np.bool_)
    last = -1
    for i in range(len(found)):
        if last >= 0 and found[last, ROW] == found[i, ROW] and found[last, STOP] > found[i, BEGIN]:
            loser = i if found[last, KIND] >= found[i, KIND] else last
            stays[loser] = False
            if loser == i:
                continue
        last = i
    return stays


@njit(cache=True, nogil=True)
def replaced(
    data: Bytes, bounds: Ints, found: Ints, which: Ints, pieces: Bytes, ends: Ints
) -> tuple[Bytes, NDArray[np.int32]]:
    """The bytes and the offsets of the texts with the piece `which` in the place of each find."""
    size = bounds[-1] - bounds[0]
    for i in range(len(found)):
        size += ends[which[i] + 1] - ends[which[i]] - (found[i, STOP] - found[i, BEGIN])
    out = np.empty(size, np.uint8)
    offsets = np.zeros(len(bounds), np.int32)
    filled, at, i = 0, bounds[0], 0
    for row in range(len(bounds) - 1):
        while i < len(found) and found[i, ROW] == row:
            filled = _copy(data, at, found[i, BEGIN], out, filled)
            filled = _copy(pieces, ends[which[i]], ends[which[i] + 1], out, filled)
            at = found[i, STOP]
            i += 1
        filled = _copy(data, at, bounds[row + 1], out, filled)
        at = bounds[row + 1]
        offsets[row + 1] = filled
    return out, offsets


@njit(cache=True, nogil=True)
def _copy(source: Bytes, start: int, stop: int, out: Bytes, filled: int) -> int:
    out[filled : filled + stop - start] = source[start:stop]
    return filled + stop - start
