"""A reward model: a decoder with one number as its head, which says how good the answer of a chat is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.chat import render_all
from tunesmith.models.generation import in_batches
from tunesmith.models.rows import asked_of
from tunesmith.models.template import check_template

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BATCH = 64
AT_ONCE = 65_536  # tokens of a batch, padding included


class RewardModel:
    """A folder of a reward model, asked for numbers: higher is better, differences count, the zero means nothing.

    Chats longer than the model's `room` are read from their end, which has the answer; `shortened` counts them.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging

        from tunesmith.models.local import precision_of  # which asks here what a folder holds

        if not is_reward_model(folder):
            raise UserError(f"{folder} is not a reward model.", "It needs a config.json with one label; train one.")
        check_template(folder)
        logging.disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = AutoModelForSequenceClassification.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32,
        )
        loaded.score.float()
        self.model = cast("PreTrainedModel", loaded.to(device).eval())
        self.precision = precision_of(self.model)
        self.pad = int(self.model.config.get_text_config().pad_token_id)
        room = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.room = None if room is None else int(room)
        self.shortened = 0

    def of_answers(self, rows: Sequence[Mapping[str, object]], answers: Sequence[str]) -> list[float]:
        """The reward of an answer to each row's prompt."""
        turns = [{"role": "assistant", "content": answer} for answer in answers]
        return self.of_chats([[*asked_of(row), turn] for row, turn in zip(rows, turns, strict=True)])

    def of_chats(self, chats: Sequence[Chat]) -> list[float]:
        """The reward of the last turn of each chat; one that does not fit is read from its end."""
        import torch

        rendered = render_all(self.tokenizer, chats)
        if self.room is not None:
            self.shortened += sum(len(row.ids) > self.room for row in rendered)
        found = [0.0] * len(rendered)
        longest = min(max((len(row.ids) for row in rendered), default=1), self.room or AT_ONCE)
        for places in in_batches(rendered, max(1, min(BATCH, AT_ONCE // longest))):
            rows = [rendered[place].ids if self.room is None else rendered[place].ids[-self.room :] for place in places]
            with torch.inference_mode():
                values = rewards_of(self.model, rows, pad=self.pad, context=self.precision.autocast())
            for place, value in zip(places, values.tolist(), strict=True):
                found[place] = float(value)
        return found


def rewards_of(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    *,
    pad: int,
    context: AbstractContextManager[object] | None = None,
) -> torch.Tensor:
    """The reward of each row of token ids, [rows], in float32; `context` is that in which the body is called."""
    import torch

    width = max(map(len, rows))
    ids_BT = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=model.device)
    return rewards_at(model, ids_BT, last_places(ids_BT, pad), context)


def last_places(ids_BT: torch.Tensor, pad: int) -> torch.Tensor:
    """Where the last token of each row is that is not padding, [B]: where transformers reads the head, too."""
    import torch

    places_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
    return (places_T * (ids_BT != pad)).argmax(dim=1)


def rewards_at(
    model: PreTrainedModel,
    ids_BT: torch.Tensor,
    places_B: torch.Tensor,
    context: AbstractContextManager[object] | None = None,
) -> torch.Tensor:
    """The head's number at one place of each row, [B], in float32; padding is on the right, where no token sees it."""
    from contextlib import nullcontext

    import torch

    with context or nullcontext():
        hidden_BTD = model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
    head = cast("torch.nn.Module", model.score)
    lines_B = torch.arange(len(ids_BT), device=ids_BT.device)
    return cast("torch.Tensor", head(hidden_BTD[lines_B, places_B].float())[:, 0])


def is_reward_model(folder: Path) -> bool:
    """Whether a folder holds a model with one number as its head."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    config = json.loads(path.read_text("utf-8"))
    named = config.get("architectures") or [""]
    return str(named[0]).endswith("ForSequenceClassification") and len(config.get("id2label") or "1") == 1
