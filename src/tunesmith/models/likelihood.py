"""How likely a model finds texts: the negative log-likelihood of every token, in nats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

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
