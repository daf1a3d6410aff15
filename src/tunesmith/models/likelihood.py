"""How likely a model finds texts: the negative log-likelihood of every token, in nats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.models.base import Likelihood

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

WINDOW = 4096  # tokens of a document that are read together at most, so that the logits of a window fit into memory
AT_ONCE = 8192  # tokens of a batch, padding included
LOGITS_AT_ONCE = 2**27

Nats = npt.NDArray[np.float32]
Firsts = npt.NDArray[np.bool_]


def token_nats(model: PreTrainedModel, rows: Sequence[npt.NDArray[np.int64]], *, pad: int) -> list[Nats]:
    """Nats of each token of each row but its first, in the order of the rows.

    Rows are padded on the right: a causal model does not see what follows. The caller sets precision and eval mode.
    """
    found: list[Nats] = [np.empty(0, dtype=np.float32)] * len(rows)
    for places, logits_BTV, ids_BT in _logits(model, rows, pad):
        nats = _nats(logits_BTV, ids_BT).cpu().numpy()
        for line, place in enumerate(places):
            found[place] = nats[line, : len(rows[place]) - 1].copy()
    return found


def token_nats_and_firsts(
    model: PreTrainedModel, rows: Sequence[npt.NDArray[np.int64]], *, pad: int
) -> tuple[list[Nats], list[Firsts]]:
    """The same, and whether each token is the model's first choice at its place."""
    found: list[Nats] = [np.empty(0, dtype=np.float32)] * len(rows)
    firsts: list[Firsts] = [np.empty(0, dtype=np.bool_)] * len(rows)
    for places, logits_BTV, ids_BT in _logits(model, rows, pad):
        nats = _nats(logits_BTV, ids_BT).cpu().numpy()
        first = (logits_BTV.argmax(-1) == ids_BT).cpu().numpy()
        for line, place in enumerate(places):
            found[place] = nats[line, : len(rows[place]) - 1].copy()
            firsts[place] = first[line, : len(rows[place]) - 1].copy()
    return found, firsts


def _logits(
    model: PreTrainedModel, rows: Sequence[npt.NDArray[np.int64]], pad: int
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Places of rows of like length, their logits [B, T, V] in float32, and the ids they should foretell."""
    import torch

    room = min(AT_ONCE, LOGITS_AT_ONCE // int(model.config.get_text_config().vocab_size))
    for places in _batches([len(row) for row in rows], room):
        width = len(rows[places[-1]])
        ids = np.full((len(places), width), pad, dtype=np.int64)
        for line, place in enumerate(places):
            ids[line, : len(rows[place])] = rows[place]
        ids_BT = torch.from_numpy(ids).to(model.device)
        with torch.no_grad():
            logits = model(input_ids=ids_BT[:, :-1], use_cache=False).logits[:, 1 - width :].float()
        yield places, logits, ids_BT[:, 1:]


def _nats(logits_BTV: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    return F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT.flatten(), reduction="none").reshape(ids_BT.shape)


def _batches(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Places of rows of like length, shortest first, so many that their padded tokens fit."""
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not batches or (len(batches[-1]) + 1) * lengths[place] > room:
            batches.append([])
        batches[-1].append(place)
    return batches


def pieces_of(length: int, most: int) -> list[tuple[int, int]]:
    """Where a document of `length` tokens is cut so that no piece has more than `most`: begin and end of each.

    A piece sees nothing before it but one token, so that each token is predicted once.

    >>> pieces_of(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(begin, min(begin + most, length)) for begin in range(0, length, most)]


def likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], *, room: int | None
) -> list[Likelihood]:
    """How likely a model finds each text as a document of its own, behind the token that begins (or ends) documents.

    A text of more than `room` tokens (or 4,096) is read in windows side by side, each from the last token before it.
    The caller sets precision and eval mode.
    """
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    pieces: list[npt.NDArray[np.int64]] = []
    owners: list[int] = []
    sizes: list[int] = []
    for place, ids in enumerate(ids_of_texts(tokenizer, texts)):
        behind = np.array([first, *ids], dtype=np.int64)
        sizes.append(len(ids))
        for begin, end in pieces_of(len(ids), min(room or WINDOW, WINDOW)):
            pieces.append(behind[begin : end + 1])
            owners.append(place)
    nats = np.zeros(len(texts))
    for owner, found in zip(owners, token_nats(model, pieces, pad=int(first)), strict=True):
        nats[owner] += found.sum(dtype=np.float64)
    return [
        Likelihood(float(total), size, len(text.encode())) for total, size, text in zip(nats, sizes, texts, strict=True)
    ]


def ids_of_texts(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of each text, nothing put around it; special tokens that it spells stay text."""
    with as_text(tokenizer):
        return [one.ids for one in tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)]


@contextmanager
def as_text(tokenizer: PreTrainedTokenizerFast) -> Iterator[None]:
    """Special tokens that a text spells stay text: no document ends another, or opens a turn."""
    inner = tokenizer.backend_tokenizer
    before, inner.encode_special_tokens = inner.encode_special_tokens, True
    try:
        yield
    finally:
        inner.encode_special_tokens = before
