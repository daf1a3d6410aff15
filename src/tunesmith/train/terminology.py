"""A domain's terms: which words they are, and how well a model foretells them before and after a training.

Terms are words markedly more frequent in the domain's text than in general text, by log-odds with an informative
Dirichlet prior (Monroe, Colaresi and Quinn 2008, "Fightin' Words", Political Analysis 16). The prior is the words of
both texts together, worth as many words as the smaller text. A word here is a run of letters, digits and underscores
that begins with a letter, in small letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from tunesmith.models.likelihood import as_text
from tunesmith.train.batches import Index
from tunesmith.train.forgetting import Change, Measured, change
from tunesmith.train.job import Rows
from tunesmith.train.language import HeldOut
from tunesmith.train.start import texts_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WORD = re.compile(r"\b_*[^\W\d_]\w*")
MOST_ROWS = 20_000  # of each text, evenly chosen, are counted
SURE = 3.0  # standard errors that the log-odds of a term are above 0
MARKED = 2.0  # times as frequent as in general text
DOCUMENTS = 3  # of the domain have it: what one person wrote once is no term
SHOWN = 30
Span = tuple[int, int]


@dataclass(frozen=True)
class Counted:
    """How often each word stands in a text, and in how many of its documents."""

    words: Counter[str]
    documents: Counter[str]


@dataclass(frozen=True)
class Term:
    """A word of the domain: its log-odds in standard errors, and how often it stands in either text."""

    word: str
    z: float
    count: int
    general: int


def counted(rows: Rows) -> Counted:
    """The words of the rows' documents and turns."""
    words: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for row in islice(rows, 0, None, max(1, len(rows) // MOST_ROWS)):
        found = Counter(word for text in texts_of([row]) for _, word in words_of(text))
        words.update(found)
        documents.update(found.keys())
    return Counted(words, documents)


def words_of(text: str) -> Iterator[tuple[Span, str]]:
    """Where each word of a text stands, and the word in small letters.

    >>> list(words_of("Gas: 3 uint256s"))
    [((0, 3), 'gas'), ((7, 15), 'uint256s')]
    """
    for match in WORD.finditer(text):
        yield match.span(), match.group().casefold()


def terms_of(domain: Counted, general: Counted) -> list[Term]:
    """The domain's terms, the surest first."""
    words = sorted(word for word, documents in domain.documents.items() if documents >= DOCUMENTS)
    own = np.array([domain.words[word] for word in words], dtype=np.float64)
    other = np.array([general.words[word] for word in words], dtype=np.float64)
    sizes = (domain.words.total(), general.words.total())
    z = log_odds(own, other, *sizes)
    marked = own * sizes[1] >= MARKED * other * sizes[0]
    found = [
        Term(word, round(float(sure), 2), int(count), int(beside))
        for word, sure, count, beside, there in zip(words, z, own, other, marked, strict=True)
        if there and sure >= SURE
    ]
    return sorted(found, key=lambda term: (-term.z, term.word))


def log_odds(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64], n: int, m: int) -> npt.NDArray[np.float64]:
    """Log-odds of words in a text of n words beside one of m, in standard errors; counts are [words]."""
    size = min(n, m)
    prior = size * (own + other) / max(1, n + m)
    first = np.log((own + prior) / (n + size - own - prior))
    second = np.log((other + prior) / (m + size - other - prior))
    return np.asarray((first - second) / np.sqrt(1 / (own + prior) + 1 / (other + prior)))


@dataclass(frozen=True)
class Occurrences:
    """Words that stand in held-out documents with all their tokens among those that are measured."""

    words: Sequence[str]  # of each occurrence
    documents: Index  # of each occurrence
    tokens: Index  # of each measured token the occurrence that it belongs to, or -1
    unread: int = 0  # documents whose tokens could not be told apart by words

    def of(self, measured: Measured) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Nats of each occurrence, and 1 where each of its tokens was the model's first choice, else 0."""
        there = self.tokens >= 0
        of, size = self.tokens[there], len(self.words)
        nats = np.bincount(of, weights=measured.all_nats[there], minlength=size).astype(np.float64)
        missed = np.bincount(of, weights=~measured.all_firsts[there], minlength=size)
        return nats, (missed == 0).astype(np.float64)


def occurrences_of(held: HeldOut, tokenizer: PreTrainedTokenizerFast) -> Occurrences:
    """Every word in the measured pieces of held-out documents; one that the end of a piece cuts is left out."""
    words: list[str] = []
    documents: list[int] = []
    parts, unread = [np.empty(0, dtype=np.int64)], 0
    for document, pieces in groupby(held.pieces(), key=itemgetter(0)):
        found, tokens = words_of_tokens(tokenizer, held.documents.text_ids(document)[:-1].tolist())
        unread += found is None
        names, all_tokens = found or [], np.append(tokens, -1)  # the end token is no word's
        seen = np.concatenate([all_tokens[begin:end] for _, begin, end in pieces])
        whole = _sizes(seen, len(names)) == _sizes(all_tokens, len(names))
        number = np.where(whole, len(words) + np.cumsum(whole) - 1, -1)
        parts.append(np.append(number, -1)[seen])
        words += [word for word, there in zip(names, whole, strict=True) if there]
        documents += [document] * int(whole.sum())
    return Occurrences(words, np.array(documents, dtype=np.int64), np.concatenate(parts), unread)


def _sizes(tokens: Index, words: int) -> Index:
    """How many tokens each word has."""
    return np.bincount(tokens[tokens >= 0], minlength=words)


def words_of_tokens(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> tuple[list[str] | None, Index]:
    """The words of a document that is given as ids, and of each id the place of its word, or -1.

    A token belongs to the first word that it has a character of, and every token of a character that takes several
    does. There are no words (None) where the text of the ids does not give these ids again.
    """
    read = _spans_of(tokenizer, ids)
    if read is None:
        return None, np.full(len(ids), -1, dtype=np.int64)
    text, spans = read
    found = list(words_of(text))
    word_at = np.full(len(text) + 1, -1, dtype=np.int64)
    for place, ((begin, end), _) in enumerate(found):
        word_at[begin:end] = place
    here = np.where(word_at >= 0, np.arange(len(word_at)), len(text))
    next_at = np.minimum.accumulate(here[::-1])[::-1]  # of each character the next one that belongs to a word
    begins, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    first = next_at[begins]
    return [word for _, word in found], np.where(first < ends, word_at[first], -1)


def _spans_of(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> tuple[str, list[Span]] | None:
    """The text of the ids, and where in it each of them stands; None where they do not come again from that text."""
    text = cast("str", tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    backend = tokenizer.backend_tokenizer
    with as_text(tokenizer):
        plain = backend.encode(text, add_special_tokens=False)
    encoding = plain if plain.ids == ids else backend.encode(text, add_special_tokens=False)  # the latter of chats
    return (text, encoding.offsets) if encoding.ids == ids else None


def terminology(
    terms: Sequence[Term], occurrences: Occurrences, before: Measured, after: Measured, *, least: int
) -> dict[str, object]:
    """The terms that held-out documents have at least so often, the surest first, and all terms beside other words.

    Nats are those of a whole occurrence; "first" is the share of occurrences whose tokens were all first choices.
    """
    known = {term.word for term in terms}
    is_term = np.array([word in known for word in occurrences.words], dtype=bool)
    places: dict[str, list[int]] = {}
    for place in np.flatnonzero(is_term).tolist():
        places.setdefault(occurrences.words[place], []).append(place)
    numbers = (*occurrences.of(before), *occurrences.of(after))

    def told(where: Index) -> dict[str, Change]:
        nats, first, nats_after, first_after = (each[where] for each in numbers)
        documents = occurrences.documents[where]
        return {"nats": change(nats, nats_after, documents), "first": change(first, first_after, documents)}

    often = [term for term in terms if len(places.get(term.word, ())) >= least]
    return {
        "terms": [{**asdict(term), **told(np.array(places[term.word]))} for term in often[:SHOWN]],
        "found": len(terms),
        "often": len(often),
        "least": least,
        "all_terms": told(np.flatnonzero(is_term)),
        "other_words": told(np.flatnonzero(~is_term)),
        "unread_documents": occurrences.unread,
    }
