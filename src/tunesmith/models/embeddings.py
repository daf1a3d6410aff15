"""Texts as unit vectors under an encoder in a local folder: the mean of its last states, or its first one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import UserError
from tunesmith.models.texts import _groups, _loaded, _right_padded, _windows

MODULES = "modules.json"  # of a folder of SentenceTransformers: the modules that a text goes through
KNOWN = ("Transformer", "Pooling", "Normalize")
MEAN, FIRST = "pooling_mode_mean_tokens", "pooling_mode_cls_token"


def embeddings(folder: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """A vector of length 1 for each text, so that a product of two is their cosine; zeros for a text without tokens.

    A folder of SentenceTransformers says itself how states become a vector (mean or first), otherwise it is the mean
    over all tokens. A longer text than the model holds is read in windows side by side, and is the mean of all.
    """
    import torch

    encoder, pooling = encoder_of(folder)
    tokenizer, model = _loaded(encoder, "AutoModel")
    windows = [(row, ids) for row, text in enumerate(texts) for ids in _windows(tokenizer, model, text)]
    sums = np.zeros((len(texts), int(model.config.hidden_size)), np.float64)
    for group in _groups(windows):
        ids_BT, there_BT = _right_padded([ids for _, ids in group], tokenizer.pad_token_id or 0)
        with torch.inference_mode():
            states_BTD = model(input_ids=ids_BT, attention_mask=there_BT).last_hidden_state.float()
        if pooling == FIRST:
            pooled_BD = states_BTD[:, 0] * there_BT.sum(1, keepdim=True)  # a longer window counts for more
        else:
            pooled_BD = (states_BTD * there_BT[..., None]).sum(1)
        np.add.at(sums, [row for row, _ in group], pooled_BD.numpy())
    lengths = np.sqrt((sums**2).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    return unit.astype(np.float32)


def encoder_of(folder: str) -> tuple[str, str]:
    """The folder of the transformer itself, and how its states become one vector; raises UserError for other ways."""
    path = Path(folder)
    if not (path / MODULES).is_file():
        return folder, MEAN
    modules = json.loads((path / MODULES).read_text("utf-8"))
    kinds = {str(module["type"]).rpartition(".")[2]: path / str(module["path"]) for module in modules}
    if unknown := sorted(set(kinds) - set(KNOWN)):
        hint = f"It may consist of {', '.join(KNOWN)}."
        raise UserError(f"{folder} has a module {unknown[0]}, which is not known here.", hint)
    pooling = json.loads((kinds["Pooling"] / "config.json").read_text("utf-8")) if "Pooling" in kinds else {MEAN: True}
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on is True]
    if modes not in ([MEAN], [FIRST]):
        raise UserError(
            f"{folder} pools by {', '.join(modes) or 'nothing'}.", "It may pool by the mean or by the first token."
        )
    return str(kinds.get("Transformer", path)), modes[0]
