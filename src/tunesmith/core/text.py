"""Words, lines and paragraphs of a whole batch as byte offsets over the Arrow buffer, and the same for one row.

These are the types only; whoever fills them hands them over, so that all signals share one tokenisation of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Spans:
    """Pieces of a batch's texts: piece `i` is `data[starts[i]:ends[i]]`, row `r` has pieces `rows[r]` to `rows[r+1]`.

    >>> spans = Spans.of([["a", "few"], [], ["words"]])
    >>> spans.counts.tolist(), list(Words(spans, 0))
    ([2, 0, 1], ['a', 'few'])
    """

    data: NDArray[np.uint8]  # UTF-8 of the whole Arrow value buffer, not copied
    starts: NDArray[np.int64]  # byte offsets into data
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]  # one more than there are rows: offsets into starts and ends

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.rows) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many pieces each row has."""
        return np.diff(self.rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many bytes of UTF-8 each piece has."""
        return self.ends - self.starts

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> Spans:
        """Spans over these pieces; for examples and tests."""
        pieces = [piece.encode() for row in rows for piece in row]
        ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        counts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(pieces), np.uint8), ends[:-1], ends[1:], counts)


@dataclass(frozen=True, eq=False)
class Pieces(Sequence[str]):
    """The pieces of one row, counted at once and decoded only when they are read."""

    spans: Spans
    row: int

    def __len__(self) -> int:
        return int(self.spans.rows[self.row + 1] - self.spans.rows[self.row])

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        positions = range(int(self.spans.rows[self.row]), int(self.spans.rows[self.row + 1]))[index]
        return self._decode(positions) if isinstance(positions, int) else [self._decode(i) for i in positions]

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def _decode(self, piece: int) -> str:
        return self.spans.data[self.spans.starts[piece] : self.spans.ends[piece]].tobytes().decode()


class Words(Pieces):
    r"""The words of one row: runs of letters, digits and underscores (`\w+`)."""


class Lines(Pieces):
    """The lines of one row without their line ends; an empty line counts, what follows the last line end does not."""


class Paragraphs(Pieces):
    """The paragraphs of one row: runs of lines between lines that hold nothing but white space."""


Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """What quality rules count in each text of a batch: one value a row, or one a row and length of n-gram.

    A token is a word, a number or a mark: `data/kernels/quality.py` says where a text is cut. A line is what stands
    between line ends and holds more than white space; a paragraph is a run of such lines.
    """

    characters: Integers
    newlines: Integers
    tokens: Integers
    words: Integers  # tokens with a letter or a digit
    word_characters: Integers
    letter_tokens: Integers  # tokens with a letter
    stop_words: Integers  # how many of Gopher's eight stop words there are
    hashes: Integers  # the sign #
    ellipses: Integers  # ... and …
    lines: Integers
    bullet_lines: Integers  # that begin with a bullet, a hyphen or an asterisk
    ellipsis_lines: Integers  # that end with an ellipsis
    stopped_lines: Integers  # that end with a mark that ends a sentence
    short_lines: Integers  # of at most 30 characters
    repeated_lines: Integers  # that have stood before in this text
    repeated_line_characters: Integers
    paragraphs: Integers
    repeated_paragraphs: Integers
    repeated_paragraph_characters: Integers
    c4_sentences: Integers  # in the lines that C4 keeps
    c4_lorem_ipsum: Integers  # lines, of those that C4 keeps otherwise
    c4_curly_brackets: Integers
    top_grams: Integers  # characters that the commonest 2-, 3- and 4-gram covers
    repeated_grams: Integers  # characters in 5- to 10-grams that have stood before


def share(part: Integers, whole: Integers) -> NDArray[np.float64]:
    """What share of the whole each part is; NaN where the whole is nothing.

    >>> share(np.array([1, 0]), np.array([4, 0])).tolist()
    [0.25, nan]
    """
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0)
    return shares
