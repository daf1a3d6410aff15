"""Plain texts under a model folder of this machine: perplexity under a causal model, probability of a class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import UserError

if TYPE_CHECKING:
    import torch

WINDOW_TOKENS = 1024  # of a longer text at once, or fewer where the model holds fewer
BATCH = 16


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
