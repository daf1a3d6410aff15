"""The language a text is written in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

VERSION = 1

CHARACTERS = 600  # of a text that are looked at; more hardly ever change the answer
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
LETTERS_COUNT = 2.0  # weight of the mean letter triple of a word that is not among the frequent ones
FOREIGN_COUNTS = 5.0  # less for each letter that a language is not written with
FLOOR = -15.0  # of the mean log-likelihood of a text's words, below which no language is likely
CYRILLIC = ("ru", "uk", "bg", "sr")
UNSEEN_TRIPLES = 1000  # for which room is left in the probabilities
UNKNOWN = "und"  # ISO 639-2 for undetermined


def language(text: str) -> str:
    """Language of a text as its ISO 639-1 code, or "und" where nothing tells it.

    A light guess by script, frequent words and letter triples of some forty languages: good for sentences, weak for a
    few words or between close kin such as Danish and Norwegian. A stronger model comes later, under the same name.

    >>> language("The cat is on the roof.")
    'en'
    >>> language("Der Hund schläft unter dem Tisch."), language("Le chat dort sur le toit.")
    ('de', 'fr')
    >>> language("12:30"), language("日本語の文です。")
    ('und', 'ja')
    """
    given = text[:CHARACTERS].lower()
    letters = sum(map(str.isalpha, given))
    if not letters:
        return UNKNOWN
    return (None if given.isascii() else _by_script(given, letters)) or _by_words(WORD.findall(given))


def _by_script(text: str, letters: int) -> str | None:
    for code, script, share in _facts().scripts:
        if len(script.findall(text)) > share * letters:
            return code
    return None


def _by_words(words: Sequence[str]) -> str:
    facts = _facts()
    scores = sum((_score(word) for word in words), np.zeros(len(facts.codes)))
    best = int(np.argmax(scores))
    return facts.codes[best] if scores[best] > len(words) * FLOOR else UNKNOWN


@dataclass(frozen=True)
class _Facts:
    """For each word and each letter triple that is known, its log-probability in each language."""

    codes: tuple[str, ...]
    words: Mapping[str, NDArray[np.float64]]  # NaN in languages that do not have the word
    triples: Mapping[str, NDArray[np.float64]]
    unseen: NDArray[np.float64]
    letters: Sequence[frozenset[str]]  # that each language is written with
    scripts: Sequence[tuple[str, re.Pattern[str], float]]


@lru_cache(maxsize=1 << 16)
def _score(word: str) -> NDArray[np.float64]:
    """Log-likelihood of a word in each language: of a frequent one by its rank, of another by its letters."""
    facts = _facts()
    found = [facts.triples.get(triple, facts.unseen) for triple in _triples(word)]
    foreign = np.array([sum(sign.isalpha() and sign not in letters for sign in word) for letters in facts.letters])
    by_letters: NDArray[np.float64] = LETTERS_COUNT * np.mean(found, axis=0) - FOREIGN_COUNTS * foreign
    known = facts.words.get(word)
    return by_letters if known is None else np.where(np.isnan(known), by_letters, known)


def _triples(word: str) -> Iterator[str]:
    padded = f" {word} "
    return (padded[start : start + 3] for start in range(len(padded) - 2))


@cache
def _facts() -> _Facts:
    from ruamel.yaml import YAML

    given = YAML(typ="safe").load(files("tunesmith.data.signals").joinpath("language.yaml").read_text("utf-8"))
    lists = {code: list(dict.fromkeys(words.split())) for code, words in given["words"].items()}
    counts = [Counter(triple for word in words for triple in _triples(word)) for words in lists.values()]
    sizes = np.array([sum(count.values()) for count in counts]) + UNSEEN_TRIPLES
    triples = {
        triple: np.log((np.array([count[triple] for count in counts]) + 0.5) / sizes) for triple in set().union(*counts)
    }
    letters = [frozenset(given["letters"][code] + ("" if code in CYRILLIC else ascii_lowercase)) for code in lists]
    scripts = [(code, re.compile(script), float(share)) for code, script, share in given["scripts"]]
    return _Facts(tuple(lists), _ranks(list(lists.values())), triples, np.log(0.5 / sizes), letters, scripts)


def _ranks(lists: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float64]]:
    """The commonest words stand first, so a word's share of running text falls about as one over its rank (Zipf)."""
    words = {word: np.full(len(lists), np.nan) for word in sorted(set().union(*lists))}
    for language, ranked in enumerate(lists):
        for rank, word in enumerate(ranked):
            words[word][language] = np.log(0.1 / (rank + 1))
    return words
