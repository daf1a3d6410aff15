"""Documents as one stream of tokens on disk: what pre-training and domain tuning learn from and are measured on."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.models.chat import render_all
from tunesmith.models.conversation import conversation_of
from tunesmith.models.likelihood import as_text
from tunesmith.train.batches import Index, Weights
from tunesmith.train.corpus import weight_of
from tunesmith.train.job import Row, Rows

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerFast

Ids = npt.NDArray[np.int32]
AT_ONCE = 1000  # rows encoded in one call, of at most so many characters unless one row alone has more
CHARACTERS = 2**20  # an encoding takes some hundred bytes a character while it is made
_LINE_END = re.compile(r"(?<=\S\n)(?=\S)")  # tokenizers end a token there: a cut changes none


@dataclass(frozen=True)
class Documents:
    """Documents of tokens end to end, each with an end token behind it: document i is ids[ends[i]:ends[i+1]]."""

    ids: Ids
    ends: Index  # [documents + 1], beginning with 0
    bytes: Index  # [documents], of the text in UTF-8
    weights: Weights  # [documents], how often each is drawn in an epoch
    names: tuple[str, ...]  # of the domains
    domains: Index  # [documents], places in names
    empty: int = 0  # rows without text, left out
    end: int = 0  # the id of the end token

    def __len__(self) -> int:
        """Documents."""
        return len(self.bytes)

    @property
    def lengths(self) -> Index:
        """Tokens of each document, its end token included."""
        return np.diff(self.ends)

    @property
    def tokens(self) -> int:
        """Tokens of all documents."""
        return int(self.ends[-1])

    @property
    def drawn(self) -> float:
        """Tokens of an epoch: each document as often as its weight says."""
        return float(self.lengths @ self.weights)

    def text_ids(self, document: int) -> Ids:
        """The tokens of one document."""
        return self.ids[int(self.ends[document]) : int(self.ends[document + 1])]

    def only(self, name: str) -> Documents:
        """The same with the documents of one domain alone drawn."""
        there = self.domains == self.names.index(name)
        return replace(self, weights=np.where(there, self.weights, 0.0))

    def fingerprint(self) -> str:
        """Hash of all tokens, ends, domains and weights."""
        digest = hashlib.sha256(repr(self.names).encode())
        for values in (self.ids, self.ends, self.domains, self.weights):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def write_documents(rows: Rows, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Documents:
    """Encode the rows once, to a file that is read through a memory map; rows without text are counted."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "documents.ids"
    ends, sizes, weights, domains, empty = array("q", [0]), array("q"), array("d"), array("q"), 0
    names: dict[str, int] = {}
    end = cast("int", tokenizer.eos_token_id)
    with path.open("wb") as file:
        for row, ids, size in encoded(rows, tokenizer):
            if not len(ids):
                empty += 1
                continue
            file.write(np.append(ids, np.int32(end)).astype(np.int32).tobytes())
            ends.append(ends[-1] + len(ids) + 1)
            sizes.append(size)
            weights.append(weight_of(row))
            domains.append(names.setdefault(str(row.get("domain") or "text"), len(names)))
    given = np.frombuffer(weights) if weights else np.empty(0)
    if len(given) and given.sum() <= 0:
        raise UserError("All weights of the documents are 0.", "A weight is 0 or more, and some are more.")
    ids_of_all = np.memmap(path, dtype=np.int32, mode="r") if len(sizes) else np.empty(0, dtype=np.int32)
    return Documents(
        ids_of_all, _whole(ends), _whole(sizes), given, tuple(names), _whole(domains), empty=empty, end=end
    )


def text_of(row: Row) -> str | None:
    """The document of a row; None where it is a conversation."""
    return None if row.get("messages") else str(row.get("text") or "")


def encoded(rows: Iterable[Row], tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[Row, Ids, int]]:
    """Each row with its token ids, and the bytes of its text. A conversation is written as its template has it."""
    for some in _batches(rows):
        texts = [text_of(row) for row in some]
        chats = [row for row, text in zip(some, texts, strict=True) if text is None]
        rendered = iter(render_all(tokenizer, [conversation_of(row) for row in chats]))
        plain = iter(_ids_of(tokenizer, [text for text in texts if text is not None]))
        for row, text in zip(some, texts, strict=True):
            if text is not None:
                yield row, next(plain), len(text.encode())
            else:
                ids = next(rendered).ids
                yield row, np.asarray(ids, dtype=np.int32), len(cast("str", tokenizer.decode(ids)).encode())


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in order, as many at once as AT_ONCE and CHARACTERS allow."""
    some: list[Row] = []
    held = 0
    for row in rows:
        size = len(text_of(row) or "")
        if some and (len(some) == AT_ONCE or held + size > CHARACTERS):
            yield some
            some, held = [], 0
        some.append(row)
        held += size
    if some:
        yield some


def _ids_of(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[Ids]:
    """The ids of each text; a long one is encoded in pieces."""
    found = []
    with as_text(tokenizer):  # left before anything is given out: chats are rendered next
        encode, short = tokenizer.backend_tokenizer.encode_batch, [text for text in texts if len(text) <= CHARACTERS]
        whole = iter(encode(short, add_special_tokens=False))
        for text in texts:
            pieces = iter([next(whole)]) if len(text) <= CHARACTERS else _in_pieces(tokenizer, text)
            found.append(np.concatenate([np.asarray(one.ids, dtype=np.int32) for one in pieces]))
    return found


def _in_pieces(tokenizer: PreTrainedTokenizerFast, text: str) -> Iterator[Encoding]:
    """Encodings of a text of many characters, cut at the first line end behind each CHARACTERS of them."""
    begin = 0
    while begin < len(text):
        found = _LINE_END.search(text, begin + CHARACTERS)
        end = found.start() if found else len(text)
        yield tokenizer.backend_tokenizer.encode(text[begin:end], add_special_tokens=False)
        begin = end


def _whole(values: array[int]) -> Index:
    return np.frombuffer(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)
