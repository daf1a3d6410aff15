"""Runs of digits and what they may be: IP addresses, social security, payment card and phone numbers; compiled."""

from __future__ import annotations

# mypy: disable-error-code="no-any-return,return-value"
# Numbers and truth values of NumPy arrays are plain ones once this is compiled.
from numba import njit

from tunesmith.data.kernels.pii_words import (
    CALL,
    CARD,
    CODE,
    IP_WORD,
    LABEL,
    LONGEST_NUMBER_LEAD,
    NUMBER,
    OTHER,
    OWN,
    PHONE,
    SSN,
    Bytes,
    Ints,
    Words,
    is_alnum,
    is_digit,
    is_letter,
    tag_of,
    tags_around,
    tags_before,
    tags_in,
)

# What stands between two groups of digits; together where several signs do.
SPACE, DASH, DOT, SLASH, PAREN = 1, 2, 4, 8, 16
MAX_GROUPS = 12
START, END, GAP = 0, 1, 2  # columns of a table of groups
MAX_DIGITS = 15  # of a phone number (E.164)
ENOUGH = 3  # points that make a number a phone number


@njit(cache=True, nogil=True)
def _sign(data: Bytes, at: int, high: int) -> tuple[int, int]:
    """Which separator stands here, and how many bytes it has; (0, 0) for none."""
    byte = data[at]
    if byte == 32:
        return SPACE, 1
    if byte == 45:
        return DASH, 1
    if byte == 46:
        return DOT, 1
    if byte == 47:
        return SLASH, 1
    if byte == 40 or byte == 41:
        return PAREN, 1
    if byte == 0xC2 and at + 1 < high and data[at + 1] == 0xA0:  # no-break space
        return SPACE, 2
    if byte == 0xE2 and at + 2 < high and data[at + 1] == 0x80:
        if 0x90 <= data[at + 2] <= 0x93:  # hyphens and the en dash
            return DASH, 3
        if data[at + 2] in (0x82, 0x87, 0x89, 0xAF):  # narrow spaces
            return SPACE, 3
    return 0, 0


@njit(cache=True, nogil=True)
def _gap(data: Bytes, at: int, high: int) -> tuple[int, int]:
    """What separates the digits that end here from the next, and where those begin; (0, at) if nothing that may."""
    found, i, signs = 0, at, 0
    while i < high and signs < 3:
        sign, width = _sign(data, i, high)
        if sign == 0:
            break
        if sign != PAREN and found & sign and not (sign == SPACE and found & DASH):
            return 0, at
        found |= sign
        i += width
        signs += 1
    alone = found in (SPACE, DASH, DOT, SLASH) or (found & PAREN and _closes(data, at, i, high))
    dash_in_spaces = found == SPACE | DASH and signs == 3
    if i < high and is_digit(data[i]) and (alone or dash_in_spaces):
        return found, i
    return 0, at


@njit(cache=True, nogil=True)
def _closes(data: Bytes, at: int, i: int, high: int) -> bool:
    """Whether a bracket that opens between two places does so after a country or trunk, and closes after digits."""
    if not (data[at:i] == 40).any():
        return True
    if at > 3 and is_digit(data[at - 4]) and is_digit(data[at - 3]) and is_digit(data[at - 2]):
        return False
    while i < high and is_digit(data[i]):
        i += 1
    return i < high and data[i] == 41


@njit(cache=True, nogil=True)
def groups_from(data: Bytes, at: int, high: int, groups: Ints) -> int:
    """Fill the table with the groups of digits that begin here; how many there are.

    The gap of the last one is not 0 if it is joined to something that is no number, as in 1.2.3-rc1.
    """
    count, i = 0, at
    while count < MAX_GROUPS:
        start = i
        while i < high and is_digit(data[i]):
            i += 1
        if i < high and is_alnum(data[i]):
            extension = data[i] | 32 == 120 and i + 1 < high and is_digit(data[i + 1])
            if not extension:
                return count
            groups[count, START], groups[count, END], groups[count, GAP] = start, i, 0
            return count + 1
        gap, following = _gap(data, i, high)
        groups[count, START], groups[count, END], groups[count, GAP] = start, i, gap
        count += 1
        if gap == 0:
            break
        i = following
    return count


@njit(cache=True, nogil=True)
def _size(groups: Ints, group: int) -> int:
    return groups[group, END] - groups[group, START]


@njit(cache=True, nogil=True)
def _goes_on(groups: Ints, group: int) -> bool:
    """Whether more digits are joined to this group by a sign without spaces."""
    gap = groups[group, GAP]
    return gap & (DASH | DOT | SLASH) != 0 and gap & SPACE == 0


@njit(cache=True, nogil=True)
def _value(data: Bytes, groups: Ints, group: int) -> int:
    value = 0
    for i in range(groups[group, START], groups[group, END]):
        value = value * 10 + data[i] - 48
    return value


@njit(cache=True, nogil=True)
def _digits(groups: Ints, count: int) -> int:
    total = 0
    for group in range(count):
        total += _size(groups, group)
    return total


@njit(cache=True, nogil=True)
def _same_gaps(groups: Ints, count: int) -> int:
    """The gap between all of these groups, or 0 where they differ."""
    gap = groups[0, GAP]
    for group in range(1, count - 1):
        if groups[group, GAP] != gap:
            return 0
    return gap


@njit(cache=True, nogil=True)
def _has_dots(groups: Ints, first: int, count: int) -> bool:
    """Whether four groups from the first stand between dots, and no fifth does."""
    if first + 4 > count:
        return False
    for group in range(first, first + 3):
        if groups[group, GAP] != DOT or not 1 <= _size(groups, group) <= 3:
            return False
    last = groups[first + 3, GAP]
    return last != DOT and _size(groups, first + 3) <= 3


@njit(cache=True, nogil=True)
def _octets(data: Bytes, groups: Ints) -> int:
    """1 for an address of some host, 2 for one that is written like a version, 0 for what is no address."""
    small = True
    for group in range(4):
        value = _value(data, groups, group)
        if value > 255 or (_size(groups, group) > 1 and data[groups[group, START]] == 48):
            return 0
        small = small and value < (100 if group else 10)
    first = _value(data, groups, 0)
    if first == 0 or first == 127 or first >= 224:  # this network, loopback, multicast and reserved
        return 0
    return 2 if small else 1


@njit(cache=True, nogil=True)
def _is_version(data: Bytes, low: int, start: int) -> bool:
    """Whether what stands before compares versions, as (>= 1.2.3.4), or is a product's name, as nginx/1.2.3.4."""
    i = start - 1
    if i > low and data[i] == 47:
        return is_alnum(data[i - 1])
    while i >= low and data[i] == 32 and start - i < 4:
        i -= 1
    if i < low:
        return False
    if data[i] == 61:  # =
        return i > low and data[i - 1] in (33, 40, 60, 61, 62, 126)
    return data[i] in (60, 62, 94, 126) and start - i > 1


@njit(cache=True, nogil=True)
def ipv4(data: Bytes, low: int, high: int, groups: Ints, count: int, words: Words) -> int:
    """Where the IP address of these groups ends; 0 if they are none."""
    if not _has_dots(groups, 0, count):
        return 0
    start, end, joined = groups[0, START], groups[3, END], groups[3, GAP]
    if joined == DASH and not _has_dots(groups, 4, count):
        return 0
    if end + 1 < high and joined == 0 and data[end] in (43, 45, 46, 126) and is_alnum(data[end + 1]):
        return 0  # 1.2.3.4-rc1, 1.2.3.4+deb10
    if start > low and data[start - 1] in (45, 46):
        return 0
    like = _octets(data, groups)
    if like == 0 or _is_version(data, low, start) or tags_before(data, low, start, words) & OTHER:
        return 0
    if like == 2 and not tags_around(data, low, start, words) & IP_WORD:
        return 0
    return end


@njit(cache=True, nogil=True)
def _joined_left(data: Bytes, low: int, start: int) -> bool:
    """Whether the number is the end of a longer one, an amount of money, or part of a path or an address."""
    if start == low:
        return False
    before = data[start - 1]
    if is_alnum(before) and data[start] in (40, 43):
        return True
    if before in (36, 64, 95, 37, 92) or (before >= 128 and start - low > 1 and data[start - 2] == 0xC2):  # $ @ _ % \ £
        return True
    if start - low < 2:
        return before in (44, 46)
    further = data[start - 2]
    if before in (45, 46, 47, 44, 58, 42, 43):  # - . / , : * +
        return is_digit(further) or (before in (47, 45) and is_alnum(further))
    return False


@njit(cache=True, nogil=True)
def _joined_right(data: Bytes, high: int, end: int) -> bool:
    """Whether the number goes on as another one: a share, a decimal, a time, an address."""
    if end >= high:
        return False
    if data[end] in (37, 64, 95):  # % @ _
        return True
    follows = end + 1 < high and is_alnum(data[end + 1])
    if data[end] in (44, 58):  # , :
        return follows and is_digit(data[end + 1])
    return data[end] in (45, 47, 61, 43) and follows


@njit(cache=True, nogil=True)
def ssn(data: Bytes, low: int, groups: Ints, count: int, words: Words) -> int:
    """Where the social security number of these groups ends; 0 if they are none."""
    parted = count >= 3 and _size(groups, 0) == 3 and _size(groups, 1) == 2 and _size(groups, 2) == 4
    whole = _size(groups, 0) == 9
    if not (parted or whole):
        return 0
    start, last = groups[0, START], 2 if parted else 0
    gap = groups[0, GAP] if parted else 0
    if parted and (gap != groups[1, GAP] or gap not in (SPACE, DASH, DOT)):
        return 0
    if _goes_on(groups, last) or _joined_left(data, low, start):
        return 0
    if not _is_assigned(data, start, groups[1, START] if parted else start + 3, groups[last, END]):
        return 0
    before = tags_before(data, low, start, words)
    said = (before | tags_around(data, low, start, words)) & SSN
    if said or (gap == DASH and not before & (OTHER | CODE | PHONE)):
        return groups[last, END]
    return 0


@njit(cache=True, nogil=True)
def _is_assigned(data: Bytes, area: int, group: int, end: int) -> bool:
    """Whether the Social Security Administration can have given it: no 000, 666 or 9xx, no 00, no 0000."""
    if data[area] == 57 or (data[area] == 54 and data[area + 1] == 54 and data[area + 2] == 54):
        return False
    some_area = data[area] != 48 or data[area + 1] != 48 or data[area + 2] != 48
    some_group = data[group] != 48 or data[group + 1] != 48
    return some_area and some_group and (data[end - 4 : end] != 48).any()


@njit(cache=True, nogil=True)
def _card_groups(groups: Ints, count: int) -> bool:
    """Whether digits are grouped as on cards: all together, in fours, or 4-6-5 and 4-6-4."""
    if count == 1:
        return True
    if _same_gaps(groups, count) not in (SPACE, DASH) or _size(groups, 0) != 4:
        return False
    if count == 3 and _size(groups, 1) == 6:
        return _size(groups, 2) in (4, 5)
    for group in range(1, count - 1):
        if _size(groups, group) != 4:
            return False
    return count <= 5 and _size(groups, count - 1) <= 4


@njit(cache=True, nogil=True)
def _luhn(data: Bytes, groups: Ints, count: int) -> bool:
    total, double = 0, False
    for group in range(count - 1, -1, -1):
        for i in range(groups[group, END] - 1, groups[group, START] - 1, -1):
            digit = data[i] - 48
            if double:
                digit = digit * 2 - 9 if digit > 4 else digit * 2
            total += digit
            double = not double
    return total % 10 == 0


@njit(cache=True, nogil=True)
def _first_six(data: Bytes, groups: Ints, count: int) -> int:
    value, taken = 0, 0
    for group in range(count):
        for i in range(groups[group, START], groups[group, END]):
            if taken < 6:
                value = value * 10 + data[i] - 48
                taken += 1
    return value


@njit(cache=True, nogil=True)
def _has_issuer(first_six: int, length: int, issuers: Ints) -> bool:
    """Whether an issuer's range and lengths (a bit for each) have this number."""
    for row in range(len(issuers)):
        if issuers[row, 0] <= first_six <= issuers[row, 1] and issuers[row, 2] >> length & 1:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_card(data: Bytes, low: int, groups: Ints, count: int, issuers: Ints, words: Words) -> bool:
    length = _digits(groups, count)
    if not 12 <= length <= 19 or not _card_groups(groups, count) or _goes_on(groups, count - 1):
        return False
    if not _luhn(data, groups, count):
        return False
    start, first_six = groups[0, START], _first_six(data, groups, count)
    before = tags_before(data, low, start, words)
    if _has_issuer(first_six, length, issuers):
        return not before & CODE and (length in (15, 16) or before & CARD != 0 or not before & OTHER)
    return first_six > 0 and tags_around(data, low, start, words) & CARD != 0


@njit(cache=True, nogil=True)
def card(data: Bytes, low: int, high: int, groups: Ints, count: int, issuers: Ints, words: Words) -> int:
    """Where the payment card of these groups ends; 0 if they are none."""
    if _joined_left(data, low, groups[0, START]):
        return 0
    for taken in range(min(count, 5), 0, -1):
        if _is_card(data, low, groups, taken, issuers, words):
            end = groups[taken - 1, END]
            return 0 if _joined_right(data, high, end) and data[end] != 44 else end
    return 0


@njit(cache=True, nogil=True)
def _is_year(data: Bytes, groups: Ints, group: int) -> bool:
    return _size(groups, group) == 4 and 1900 <= _value(data, groups, group) < 2100


@njit(cache=True, nogil=True)
def _is_date(data: Bytes, groups: Ints, count: int) -> bool:
    """Whether it begins as a date or a span of years does."""
    first, length = groups[0, START], _size(groups, 0)
    year_first = (data[first] == 50 and data[first + 1] == 48) or (data[first] == 49 and data[first + 1] == 57)
    if length in (8, 12, 14) and year_first and (count > 1 or length > 8):
        return True  # 20041013 1230
    if count == 1:
        return False
    if _is_year(data, groups, 0) and (_is_year(data, groups, 1) or (count > 2 and _size(groups, 1) <= 2)):
        return True
    return count > 2 and length <= 2 and _size(groups, 1) <= 2 and _is_year(data, groups, 2)


@njit(cache=True, nogil=True)
def _taken(groups: Ints, count: int) -> int:
    """How many of the groups belong to one phone number: a space after a dash or dot ends it."""
    total, tight, loose = 0, False, False
    for group in range(count):
        total += _size(groups, group)
        if total > MAX_DIGITS + 2:
            return 0 if not tight else group
        gap = groups[group, GAP]
        if gap == SPACE and tight and total >= 7 and not (loose and total < 9):
            return group + 1
        tight = tight or gap in (DASH, DOT)
        loose = loose or gap & (PAREN | SPACE) != 0
    return count


@njit(cache=True, nogil=True)
def _is_tight(groups: Ints, count: int) -> bool:
    """Whether more than spaces stands between two of the groups."""
    for group in range(count - 1):  # noqa: SIM110  # numba compiles no generators
        if groups[group, GAP] != SPACE:
            return True
    return False


@njit(cache=True, nogil=True)
def _sizes_between(groups: Ints, first: int, count: int, least: int, most: int) -> bool:
    for group in range(first, count):  # noqa: SIM110  # numba compiles no generators
        if not least <= _size(groups, group) <= most:
            return False
    return True


@njit(cache=True, nogil=True)
def _north_american(data: Bytes, groups: Ints, count: int) -> int:
    """Points for the forms of North America: 3-3-4, an area that begins with 2 to 9, perhaps 1 before it."""
    first = 1 if _size(groups, 0) == 1 and data[groups[0, START]] == 49 else 0
    if count - first == 0 or data[groups[first, START]] < 50:
        return 0
    if count - first == 1:
        return 1 if first == 0 and _size(groups, 0) == 10 and data[groups[0, START] + 3] >= 50 else 0
    if count - first == 2:
        return 1 if _size(groups, first) in (3, 6) and _digits(groups, count) == 10 + first else 0
    is_form = count - first == 3 and _size(groups, first) == 3 and _size(groups, first + 1) == 3
    if not is_form or _size(groups, first + 2) != 4 or data[groups[first + 1, START]] == 48:
        return 0
    if groups[first, GAP] != groups[first + 1, GAP] and groups[first, GAP] in (DASH, DOT, SLASH):
        return 0
    return 3 if groups[first + 1, GAP] in (DASH, DOT) else 2


@njit(cache=True, nogil=True)
def _trunk(data: Bytes, groups: Ints, count: int, total: int) -> int:
    """Points for a national number that begins with the trunk prefix 0, or with Russia's 8."""
    first = groups[0, START]
    if data[first] == 56 and _size(groups, 0) == 1 and total == 11 and count >= 4 and _size(groups, 1) == 3:
        return 3
    if data[first] != 48 or not 9 <= total <= 12:
        return 0
    if count == 1:
        return 1 if data[first + 1] != 48 and total in (10, 11) else 0
    is_hex = total == 12 and _size(groups, 0) == 4 and _size(groups, 1) == 4
    if is_hex or data[first + 1] == 48 or not _sizes_between(groups, 0, count, 2, 8) or count > 6:
        return 0
    return 3


@njit(cache=True, nogil=True)
def _shape(data: Bytes, groups: Ints, count: int, total: int, is_open: bool) -> int:
    """Points for how the digits are grouped; a bracket opens before the first group or does not."""
    if count == 2 and (groups[0, GAP] == DOT or (groups[0, GAP] == DASH and _size(groups, 0) == 5 and total == 9)):
        return 0  # a decimal, an American ZIP code
    best = max(_north_american(data, groups, count), _trunk(data, groups, count, total))
    if is_open and count > 1 and groups[0, GAP] & PAREN and 9 <= total <= 12 and 2 <= _size(groups, 0) <= 5:
        best = max(best, 2 if not _is_year(data, groups, 0) else 0)
    if 9 <= total <= 12 and 2 <= count <= 6 and _sizes_between(groups, 1, count, 2, 8 if count == 2 else 4):
        uniform = count == 2 or _same_gaps(groups, count) != 0
        best = max(best, 1 if uniform and _size(groups, 0) <= 5 else 0)
    if total in (7, 8) and 2 <= count <= 4 and _same_gaps(groups, count) in (SPACE, DASH):
        best = max(best, 1 if _sizes_between(groups, 0, count, 2, 4) else 0)
    return best if total <= 12 else best - 1


@njit(cache=True, nogil=True)
def _is_prose_near(data: Bytes, at: int, stop: int, step: int) -> bool:
    """Whether the next line that is not empty, going from a place up or down to another, holds a word and no code."""
    letters, words, seen = 0, 0, False
    while at != stop:
        byte = data[at]
        if byte == 10 and seen:
            break
        if byte in (40, 41, 59, 60, 61, 62, 91, 93, 95, 123, 125):  # ( ) ; < = > [ ] _ { }
            return False
        seen = seen or byte > 32
        letters = letters + 1 if is_letter(byte) else 0
        words += letters == 3
        at += step
    return words > 0


@njit(cache=True, nogil=True)
def _stands_in_a_block(data: Bytes, low: int, high: int, start: int, end: int) -> bool:
    """Whether the number has a line to itself and the lines beside it hold words, as in a signature."""
    left, right = start - 1, end
    while left >= low and data[left] in (32, 9):
        left -= 1
    while right < high and data[right] in (32, 9, 13):
        right += 1
    is_first, is_last = left < low, right >= high
    if (not is_first and data[left] != 10) or (not is_last and data[right] != 10) or (is_first and is_last):
        return False
    above = is_first or _is_prose_near(data, left, low - 1, -1)
    return above and (is_last or _is_prose_near(data, right, high, 1))


@njit(cache=True, nogil=True)
def _tags_after(data: Bytes, high: int, end: int, words: Words) -> int:
    """What the words shortly after a number say, to the end of their line or sentence."""
    stop = end
    while stop < min(high, end + 32) and data[stop] not in (10, 46, 59):
        stop += 1
    while stop > end and stop < high and is_letter(data[stop]) and is_letter(data[stop - 1]):
        stop -= 1
    return tags_in(data, end, stop, words)


@njit(cache=True, nogil=True)
def _has_mail_beside(data: Bytes, low: int, high: int, start: int, end: int) -> bool:
    """Whether an @ stands near: the ways to reach somebody stand together."""
    for i in range(max(low, start - LONGEST_NUMBER_LEAD), start):
        if data[i] == 64 and is_alnum(data[i + 1]):
            return True
    for i in range(end, min(high, end + LONGEST_NUMBER_LEAD)):  # noqa: SIM110  # as above
        if data[i] == 64 and is_alnum(data[i - 1]):
            return True
    return False


@njit(cache=True, nogil=True)
def _is_labelled(data: Bytes, low: int, start: int) -> bool:
    """Whether a colon stands before, as in "Office: "."""
    i = start - 1
    while i > low and data[i] == 32:
        i -= 1
    return i > low and data[i] == 58


@njit(cache=True, nogil=True)
def _label_follows(data: Bytes, high: int, end: int, words: Words) -> bool:
    """Whether a word such as "home" stands right behind, as in "0123 456 789 (home)", and ends what is said."""
    first = end
    while first < min(high, end + 3) and data[first] in (32, 40, 44, 45, 9):
        first += 1
    last = first
    while last < high and is_letter(data[last]):
        last += 1
    if last - first < 3 or not (last == high or data[last] in (10, 13, 41, 44, 59, 92)):
        return False
    return tag_of(data, first, last, words) & (LABEL | PHONE) != 0


@njit(cache=True, nogil=True)
def _context(data: Bytes, low: int, high: int, start: int, end: int, is_weak: bool, words: Words) -> int:
    """Points for what stands around a number."""
    before = tags_before(data, low, start, words)
    if before & (OTHER | CODE | CARD) and not before & PHONE:
        return -4
    around = tags_around(data, low, start, words)
    after = _tags_after(data, high, end, words)
    if (around | after) & PHONE:
        return 3
    if (before & LABEL and _is_labelled(data, low, start)) or _label_follows(data, high, end, words):
        return 2
    for tags in (around, after):
        if tags & CALL or (tags & OWN and tags & NUMBER):
            return 2
    beside = _stands_in_a_block(data, low, high, start, end) or _has_mail_beside(data, low, high, start, end)
    return beside * (1 if is_weak else 2)


@njit(cache=True, nogil=True)
def _extension(data: Bytes, end: int, high: int) -> int:
    """Where an extension such as x123 or ext. 123 after a phone number ends."""
    i = end
    while i < high and data[i] in (32, 44) and i - end < 2:
        i += 1
    if i < high and data[i] | 32 == 120:
        i += 1
    elif i + 2 < high and data[i] | 32 == 101 and data[i + 1] | 32 == 120 and data[i + 2] | 32 == 116:
        i += 3
        while i < high and data[i] in (32, 46):
            i += 1
    else:
        return end
    first = i
    while i < high and is_digit(data[i]):
        i += 1
    return i if 1 <= i - first <= 6 and not (i < high and is_letter(data[i])) else end


@njit(cache=True, nogil=True)
def _number_start(data: Bytes, low: int, groups: Ints, count: int) -> tuple[int, bool, bool]:
    """Where a phone number begins with its bracket and plus sign, and whether it has the one and the other."""
    start = groups[0, START]
    is_open = start > low and data[start - 1] == 40 and data[groups[0, END]] == 41 and count > 1
    start -= is_open
    has_plus = start > low and data[start - 1] == 43
    start -= has_plus
    start -= has_plus and start > low and data[start - 1] == 40
    return start, is_open, has_plus


@njit(cache=True, nogil=True)
def _looks_like_another(data: Bytes, low: int, start: int, groups: Ints, taken: int, total: int) -> bool:
    """Whether it is a date, an IP address, an ISBN or stands in the middle of a row of numbers."""
    first = groups[0, START]
    if total > MAX_DIGITS or _is_date(data, groups, taken) or (_has_dots(groups, 0, taken) and taken == 4):
        return True
    if total == 13 and data[first] == 57 and data[first + 1] == 55:
        return True
    in_row = start - low > 1 and data[start - 1] == 32 and is_digit(data[start - 2])
    return in_row and not _is_tight(groups, taken)


@njit(cache=True, nogil=True)
def phone(data: Bytes, low: int, high: int, groups: Ints, count: int, words: Words) -> tuple[int, int, bool]:
    """Where a phone number begins and ends, and whether that is sure or the numbering plan has to be asked.

    Begin and end are 0 if there is none.
    """
    start, is_open, has_plus = _number_start(data, low, groups, count)
    taken = _taken(groups, count)
    total = _digits(groups, taken)
    if taken == 0 or not 7 <= total <= MAX_DIGITS + 2 or _goes_on(groups, taken - 1):
        return 0, 0, False
    end = groups[taken - 1, END]
    is_said = _label_follows(data, high, end, words)
    if _joined_left(data, low, start) or (not is_said and _joined_right(data, high, end)):
        return 0, 0, False
    first = groups[0, START]
    zeros = data[first] == 48 and data[first + 1] == 48 and total >= 10 and taken > 1 and _size(groups, 0) != 2
    if has_plus or (zeros and not tags_before(data, low, start, words) & OTHER):
        return start, _extension(data, end, high), False
    if _looks_like_another(data, low, start, groups, taken, total):
        return 0, 0, False
    points = _shape(data, groups, taken, total, is_open)
    if points < 0 or points + _context(data, low, high, start, end, taken == 1 or total < 9, words) < ENOUGH:
        return 0, 0, False
    return start, _extension(data, end, high), True
