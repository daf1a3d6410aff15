"""The counts of `tunesmith.data.kernels.quality` again in plain Python, text by text: slow and easy to check."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from tunesmith.data.kernels.signs import STOPS

MARKS = ",:;!?()[]{}<>_#*&'\"`´"
BULLETS = "-*•‣◦▪▫■□●○▶◀–"
STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
CONTRACTION = re.compile(r"(?<=.)(?:['’][sdm]|['’](?:ll|re|ve))$|(?<=.)n['’]t$", re.IGNORECASE | re.ASCII | re.DOTALL)
TERMINAL = {
    chr(code) for run in STOPS.split() for code in range(int(run.split("-")[0], 16), int(run.split("-")[-1], 16) + 1)
}


def is_mark(sign: str) -> bool:
    category = unicodedata.category(sign)
    return sign in MARKS or (sign > "\x7f" and (category[0] == "P" or category == "So"))


def is_icon(sign: str) -> bool:
    return sign == "…" or (sign > "\x7f" and unicodedata.category(sign) == "So")


def is_digit(sign: str) -> bool:
    return sign in set("0123456789")


def is_upper(sign: str) -> bool:
    return sign.isalpha() and not sign.islower()


def is_lower(sign: str) -> bool:
    return sign.isalpha() and not sign.isupper()


def is_quote(sign: str) -> bool:
    return sign in set("'\"`´") or unicodedata.category(sign) in ("Pi", "Pf")


def is_currency(sign: str) -> bool:
    return unicodedata.category(sign) == "Sc"


def front(chunk: str) -> int:
    if chunk[0] == ".":
        periods = len(chunk) - len(chunk.lstrip("."))
        return periods if periods > 1 else 0
    if chunk[0] == "+" and is_digit(chunk[1:2]):
        return 0
    return int(is_mark(chunk[0]) or chunk[0] in "§%=+" or is_currency(chunk[0]))


def back(chunk: str) -> int:
    periods = len(chunk) - len(chunk.rstrip("."))
    if periods:
        return periods if periods > 1 else int(len(chunk) > 1 and ends_sentence(chunk[:-1]))
    if is_mark(chunk[-1]):
        return 1
    if is_digit(chunk[-2:-1]) and (chunk[-1] in "%+" or is_currency(chunk[-1])):
        return 1
    found = CONTRACTION.search(chunk)
    return 2 if found and found.group().lower() in ("'s", "’s") else 0


def ends_sentence(word: str) -> bool:
    last, before = word[-1], word[-2:-1]
    if not last.isalpha():
        return is_digit(last) or is_mark(last) or last in "%+-" or is_currency(last)
    if not before:
        return False
    if before.isalpha():
        return is_lower(last) or is_upper(before)
    return is_lower(last) and before != "."


def is_address(core: str) -> bool:
    letters = "".join(
        "a" if sign.isalpha() else "0" if is_digit(sign) else "l" if sign == "a" else sign for sign in core
    )
    if re.match(r"[a0.+-]{2,}://", letters):
        return True
    begin = re.match(r"[a0.+-]*@", letters)
    start = begin.end() if begin else 0
    domain = re.match(r"(?:[a0_-]+\.|\.(?=[a0_-]))*", letters[start:])
    host = re.match(r"[a0_-]*(?:(?<=[a0_-])\.[a0_-]*)*", letters[start:])
    assert domain is not None
    assert host is not None
    name = core[start + host.group().rfind(".") + 1 : start + host.end()]
    rest = core[start + host.end() : start + host.end() + 1]
    return "." in host.group() and len(name) > 1 and all(map(is_lower, name)) and (not rest or rest in "/?#:")


def inner(core: str, at: int) -> int:
    sign, before, after = core[at], core[at - 1], core[at + 1 : at + 2]
    if is_icon(sign):
        return 1
    if not after:
        return 0
    if sign == ".":
        periods = len(core[at:]) - len(core[at:].lstrip("."))
        joins = (is_lower(before) or is_quote(before)) and (is_upper(after) or is_quote(after))
        return periods if periods > 1 else int(joins)
    if sign == ",":
        return int(before.isalpha() and after.isalpha())
    if sign in "+*^-" and is_digit(before) and (is_digit(after) or after == "-"):
        return 1
    size = len(re.match("-{0,3}", core[at:]).group()) or 1  # type: ignore[union-attr]  # it always matches
    joins = sign in "-–—~:<>=/" and (before.isalpha() or is_digit(before))
    return size if joins and core[at + size : at + size + 1].isalpha() else 0


def pieces_of(core: str) -> Iterator[str]:
    begin, at = 0, 1
    while at < len(core):
        size = inner(core, at)
        if size:
            yield from filter(None, (core[begin:at], core[at : at + size]))
            begin = at + size
        at += size or 1
    if begin < len(core):
        yield core[begin:]


def tokens_of(chunk: str) -> list[str]:
    head: list[str] = []
    tail: list[str] = []
    while chunk and (size := front(chunk)):
        head.append(chunk[:size])
        chunk = chunk[size:]
    while chunk and (size := back(chunk)):
        tail.insert(0, chunk[-size:])
        chunk = chunk[:-size]
    if not chunk:
        return head + tail
    found = CONTRACTION.search(chunk)
    core, rest = (chunk[: found.start()], [found.group()]) if found else (chunk, [])
    return [*head, *([core] if is_address(core) else pieces_of(core)), *rest, *tail]


def tokens(text: str) -> list[str]:
    return [token for chunk in text.split() for token in tokens_of(chunk)]


def sentences(line: str) -> int:
    found, ended = 1, False
    for chunk in line.split():
        for token in tokens_of(chunk):
            if token in TERMINAL:
                ended = True
            elif ended and not all(unicodedata.category(sign)[0] == "P" for sign in token):
                found, ended = found + 1, False
        ended |= re.search(r"""[.!?"'](?:\[[0-9]*\])+$""", chunk) is not None
    return found


def c4(lines: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter(c4_sentences=0, c4_lorem_ipsum=0, c4_curly_brackets=0)
    for line in map(str.strip, lines):
        kept = re.sub(r"(?: *\[[0-9]*\])+$", "", line)
        small = re.sub("[A-Z]", lambda letter: letter.group().lower(), kept)
        if max(map(len, line.split())) > 1000 or len(line.split()) < 3:
            continue
        if not kept.endswith((".", "!", "?", '"', "'")) or (kept.endswith("...")):
            continue
        if "lorem ipsum" in small:
            found["c4_lorem_ipsum"] += 1
        elif "javascript" in small:
            continue
        elif "{" in kept:
            found["c4_curly_brackets"] += 1
        elif not any(phrase in small for phrase in POLICY):
            found["c4_sentences"] += sentences(line)
    return found


def repeats(pieces: Sequence[str]) -> tuple[int, int]:
    again = [piece for at, piece in enumerate(pieces) if piece in pieces[:at]]
    return len(again), sum(map(len, again))


def top_gram(words: Sequence[str], n: int) -> int:
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    if not grams:
        return 0
    gram, times = Counter(grams).most_common(1)[0]
    return times * len(" ".join(gram))


def repeated_grams(words: Sequence[str], n: int) -> int:
    seen, at, characters = set(), 0, 0
    while at + n <= len(words):
        gram = tuple(words[at : at + n])
        if gram in seen:
            characters += sum(map(len, gram))
        at += n if gram in seen else 1
        seen.add(gram)
    return characters


def counts(text: str) -> dict[str, int | list[int]]:
    every = [line.removesuffix("\r") for line in text.split("\n")]
    lines = [line for line in every if line.strip()]
    paragraphs = ["\n".join(found) for found in runs(every)]
    words = tokens(text)
    plain = [word for word in words if any(unicodedata.category(sign)[0] in "LMN" for sign in word)]
    chunks = text.split()
    repeated, repeated_paragraphs = repeats(lines), repeats(paragraphs)
    return {
        "characters": len(text),
        "newlines": text.count("\n"),
        "tokens": len(words),
        "words": len(plain),
        "word_characters": sum(map(len, plain)),
        "letter_tokens": sum(any(map(str.isalpha, word)) for word in words),
        "stop_words": sum(word in words or word.title() in words for word in STOP_WORDS),
        "hashes": text.count("#"),
        "ellipses": sum(chunk.count("...") + chunk.count("…") for chunk in chunks),
        "lines": len(lines),
        "bullet_lines": sum(line.strip()[0] in BULLETS for line in lines),
        "ellipsis_lines": sum(line.strip().endswith(("...", "…")) for line in lines),
        "stopped_lines": sum(line.strip()[-1] in TERMINAL for line in lines),
        "short_lines": sum(len(line) <= 30 for line in lines),
        "repeated_lines": repeated[0],
        "repeated_line_characters": repeated[1],
        "paragraphs": len(paragraphs),
        "repeated_paragraphs": repeated_paragraphs[0],
        "repeated_paragraph_characters": repeated_paragraphs[1],
        **c4(lines),
        "top_grams": [top_gram(words, n) for n in (2, 3, 4)],
        "repeated_grams": [repeated_grams(words, n) for n in range(5, 11)],
    }


def runs(lines: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        found = [*found[:-1], [*found[-1], line]] if line.strip() else [*found, []]
    return [run for run in found if run]
