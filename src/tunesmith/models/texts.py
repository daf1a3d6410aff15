"""Plain texts under a model folder of this machine: perplexity and tokens of a causal model, probability of a class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch

WINDOW_TOKENS = 1024  # of a longer text at once, or fewer where the model holds fewer
BATCH = 16
LOGITS = 2**25  # held at once by token_likelihoods, or one window's where that is more: 128 MB of float32
SLICE = 2**22  # logits of which the statistics are taken at once

Likelihoods = NDArray[np.float32]  # [3, tokens]


def perplexities(folder: str, texts: Sequence[str]) -> list[float | None]:
    """The perplexity per token of each text under a causal model; None of a text of fewer than two tokens.

    A long text is read in windows side by side, each from its own beginning.
    """
    import torch

    tokenizer, model = _loaded(folder, "AutoModelForCausalLM")
    windows = [(row, ids) for row, text in enumerate(texts) for ids in _windows(tokenizer, model, text) if len(ids) > 1]
    sums, counts = [0.0] * len(texts), [0] * len(texts)
    for group in _groups(windows):
        ids_BT, there_BT = _right_padded([ids for _, ids in group])
        with torch.inference_mode():
            logits = model(input_ids=ids_BT, attention_mask=there_BT).logits
        logps = logits[:, :-1].float().log_softmax(-1).gather(2, ids_BT[:, 1:, None])[..., 0]
        for line, (row, ids) in enumerate(group):
            sums[row] += float(logps[line, : len(ids) - 1].sum())
            counts[row] += len(ids) - 1
    return [math.exp(-total / count) if count else None for total, count in zip(sums, counts, strict=True)]


def token_likelihoods(folder: str, texts: Sequence[str]) -> list[Likelihoods]:
    """Each token's log-probability given those before it, with the mean and the deviation of all the model could say.

    Three rows of numbers for each text: the log-probability of each token but the first, and the mean and standard
    deviation of the log-probability at that place over the vocabulary, each entry weighed by its probability. A long
    text is read in windows side by side, each from its own beginning; nothing of a text of fewer than two tokens.
    """
    import torch

    tokenizer, model = _loaded(folder, "AutoModelForCausalLM")
    windows = [(row, ids) for row, text in enumerate(texts) for ids in _windows(tokenizer, model, text) if len(ids) > 1]
    found: list[list[Likelihoods]] = [[] for _ in texts]
    by_window: dict[int, Likelihoods] = {}
    for group in _by_logits([ids for _, ids in windows], int(model.config.vocab_size)):
        ids_BT, there_BT = _right_padded([windows[number][1] for number in group])
        with torch.inference_mode():
            logits_BTV = model(input_ids=ids_BT, attention_mask=there_BT).logits
            by_window |= {
                number: _likelihoods(logits_BTV[line], windows[number][1]) for line, number in enumerate(group)
            }
    for number, (row, _) in enumerate(windows):
        found[row].append(by_window[number])
    return [np.concatenate(pieces, axis=1) if pieces else np.zeros((3, 0), np.float32) for pieces in found]


def _by_logits(windows: Sequence[Sequence[int]], vocabulary: int) -> Iterator[list[int]]:
    """The numbers of windows of like length together, so many that their logits fit; the longest first."""
    ordered = sorted(range(len(windows)), key=lambda number: -len(windows[number]))
    start = 0
    while start < len(ordered):
        fit = max(1, LOGITS // (len(windows[ordered[start]]) * vocabulary))
        yield ordered[start : start + fit]
        start += fit


def _likelihoods(logits_TV: torch.Tensor, ids: Sequence[int]) -> Likelihoods:
    import torch

    pieces: list[Likelihoods] = []
    step = max(1, SLICE // logits_TV.shape[-1])
    for start in range(0, len(ids) - 1, step):
        stop = min(start + step, len(ids) - 1)
        logps_TV = logits_TV[start:stop].float().log_softmax(-1)
        chances_TV = logps_TV.exp()
        said = logps_TV.gather(1, torch.tensor(ids[start + 1 : stop + 1])[:, None])[:, 0]
        finite_TV = logps_TV.clamp_min(torch.finfo(torch.float32).min)  # a masked entry's 0 x -inf is no number
        mean = (chances_TV * finite_TV).sum(-1)
        deviation = (chances_TV * (finite_TV - mean[:, None]).square()).nan_to_num(0.0).sum(-1).sqrt()
        pieces.append(torch.stack([said, mean, deviation]).numpy())
    return np.concatenate(pieces, axis=1)


def class_probabilities(folder: str, texts: Sequence[str], label: str | None = None) -> list[float]:
    """The probability that a sequence classifier gives one label: of a long text, that of its highest window.

    `label` is a name or number in the model's config; without it, the one called toxic, or the second of two. Raises
    UserError, with the model's labels, if there is no such label.
    """
    import torch

    tokenizer, model = _loaded(folder, "AutoModelForSequenceClassification")
    place = _place(model, label, folder)
    many = model.config.problem_type == "multi_label_classification"
    found = [0.0] * len(texts)
    for group in _groups([(row, ids) for row, text in enumerate(texts) for ids in _windows(tokenizer, model, text)]):
        ids_BT, there_BT = _right_padded([ids for _, ids in group], tokenizer.pad_token_id or 0)
        with torch.inference_mode():
            logits = model(input_ids=ids_BT, attention_mask=there_BT).logits.float()
        shares = (logits.sigmoid() if many else logits.softmax(-1))[:, place].tolist()
        for (row, _), share in zip(group, shares, strict=True):
            found[row] = max(found[row], share)
    return found


def _place(model: Any, label: str | None, folder: str) -> int:  # noqa: ANN401 # transformers' own
    names = {int(number): str(name) for number, name in model.config.id2label.items()}
    for number, name in names.items():
        if label in (name, str(number)) or (label is None and name.casefold() in ("toxic", "toxicity")):
            return number
    if label is None and len(names) == 2:
        return 1
    raise UserError(f"{folder} has no label {label or 'toxic'!r}.", f"Its labels: {', '.join(names.values())}.")


@cache
def _loaded(folder: str, kind: str) -> tuple[Any, Any]:
    import transformers
    from transformers.utils import logging

    if not Path(folder, "config.json").is_file():
        raise UserError(f"{folder} is not a model folder.", "It needs config.json, model.safetensors and a tokenizer.")
    logging.disable_progress_bar()
    model = getattr(transformers, kind).from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True), model.eval()


def _windows(tokenizer: Any, model: Any, text: str) -> Iterator[list[int]]:  # noqa: ANN401 # transformers' own
    """The tokens of a text, with the special ones that the model begins and ends a text with, in pieces it can hold."""
    own = [int(getattr(model.config, name, WINDOW_TOKENS)) for name in ("max_position_embeddings", "n_positions")]
    size = min(WINDOW_TOKENS, *own)
    cut = tokenizer(text, truncation=True, max_length=size, return_overflowing_tokens=True, verbose=False)
    yield from (ids for ids in cut["input_ids"] if ids)


def _groups(windows: Sequence[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Windows of like length together."""
    ordered = sorted(windows, key=lambda window: len(window[1]))
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def _right_padded(rows: Sequence[Sequence[int]], pad: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
