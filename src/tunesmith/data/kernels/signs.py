"""What kind of sign each Unicode code point is, as flags that kernels look up."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

SPACE = 1  # white space, as str.isspace has it
UPPER, LOWER = 2, 4  # letters; those of scripts without case are both
DIGIT = 8  # 0 to 9
PLAIN = 16  # what makes a token a word: letters, numbers and the marks on them, such as accents
MARK = 32  # a token of its own at either end of a chunk of text
OPENS = 64  # so at its beginning
AMOUNT = 128  # so at its end, behind a digit
ICON = 256  # so anywhere
QUOTE = 512
PUNCTUATION = 1024
STOP = 2048  # ends a sentence
ANCHOR = 4096  # phrases are looked for around it
BULLET = 8192
INNER = 16384  # may cut a chunk between letters or digits
COUNTED = 32768  # # and what ellipses are made of

LETTER = UPPER | LOWER
KNOWN = 0x40000  # from here on there are no letters, marks or spaces
MARKS = frozenset(",:;!?()[]{}<>_#*&'\"`´")
BULLETS = frozenset("-*•‣◦▪▫■□●○▶◀–")
INNERS = frozenset("-–—~:<>=/,.+*^")
ANCHORS = frozenset("kKmMvV{")
# Unicode 15, PropList.txt: the property Sentence_Terminal
STOPS = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d6
17d9-17da 1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e
2e3c 2e53-2e54 3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52
fe56-fe57 ff01 ff0e ff1f ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6
111cd 111de-111df 11238-11239 1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e 11944
11946 11a42-11a43 11a9b-11a9c 11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f 16af5 16b37-16b38 16b44 16e98 1bc9f
1da88
"""


@cache
def signs() -> NDArray[np.uint16]:
    """The flags of each code point below KNOWN; the others have none."""
    table = np.zeros(KNOWN, np.uint16)
    for code in range(KNOWN):
        table[code] = _flags(chr(code))
    for run in STOPS.split():
        first, _, last = run.partition("-")
        table[int(first, 16) : int(last or first, 16) + 1] |= STOP
    return table


def _flags(sign: str) -> int:
    category = unicodedata.category(sign)
    is_mark = sign in MARKS or (sign > "\x7f" and (category[0] == "P" or category == "So"))
    return (
        SPACE * sign.isspace()
        | UPPER * (sign.isalpha() and not sign.islower())
        | LOWER * (sign.isalpha() and not sign.isupper())
        | DIGIT * (sign in "0123456789")
        | PLAIN * (category[0] in "LMN")
        | MARK * is_mark
        | OPENS * (is_mark or sign in "§%=+" or category == "Sc")
        | AMOUNT * (sign in "%+" or category == "Sc")
        | ICON * (sign == "…" or (sign > "\x7f" and category == "So"))
        | QUOTE * (sign in "'\"`´" or category in ("Pi", "Pf"))
        | PUNCTUATION * (category[0] == "P")
        | ANCHOR * (sign in ANCHORS)
        | BULLET * (sign in BULLETS)
        | INNER * (sign in INNERS)
        | COUNTED * (sign in "#.…")
    )
