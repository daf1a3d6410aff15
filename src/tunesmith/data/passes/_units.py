"""What a mix counts its shares in: tokens, documents or bytes of a row."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.data.texts import texts_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Unit = Literal["tokens", "documents", "bytes"]
BYTES_A_TOKEN = 4  # where no tokenizer is given: of UTF-8, whatever the language; rounded up for each row
TEXTS = 1000  # that a tokenizer is handed at once


def units_of(rows: pa.Table, unit: Unit, tokenizer: str | None) -> NDArray[np.int64]:
    """How much of the unit each row is: of the text of a document, or of the whole of a conversation or pair."""
    if unit == "documents":
        return np.ones(rows.num_rows, np.int64)
    texts = texts_of(rows).fill_null("")
    if unit == "tokens" and tokenizer is not None:
        return _tokens(texts, tokenizer)
    sizes: NDArray[np.int64] = pc.binary_length(texts).to_numpy().astype(np.int64)
    return sizes if unit == "bytes" else -(-sizes // BYTES_A_TOKEN)


def _tokens(texts: pa.StringArray, path: str) -> NDArray[np.int64]:
    found = np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), TEXTS):
        some = texts.slice(start, TEXTS).to_pylist()
        encoded = tokenizer_of(path).encode_batch_fast(some, add_special_tokens=False)
        found[start : start + len(some)] = [len(each) for each in encoded]
    return found


@cache
def tokenizer_of(path: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json; raises UserError if the file is none."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError("mix: counting with a tokenizer needs tokenizers.", "pip install 'tunesmith[train]'") from None
    try:
        found = Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing narrower
        raise UserError(
            f"mix: {path} is no tokenizer: {error}.", "Name the tokenizer.json of a model folder."
        ) from None
    found.no_truncation()
    found.no_padding()
    return found


def told_unit(unit: Unit, tokenizer: str | None) -> str:
    """What was counted, as a sentence."""
    if unit != "tokens":
        return f"Shares are of {unit}."
    if tokenizer is not None:
        return "Shares are of tokens, counted by the tokenizer given."
    return f"Shares are of tokens, taken as one for {BYTES_A_TOKEN} bytes of UTF-8 because no tokenizer is given."
