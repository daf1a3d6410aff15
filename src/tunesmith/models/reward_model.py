"""A reward model: a decoder with one number as its head, which says how good the answer of a chat is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.chat import render_all
from tunesmith.models.conversation import conversation_of
from tunesmith.models.generation import in_batches
from tunesmith.models.template import check_template

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BATCH = 64


class RewardModel:
    """A folder of a reward model, asked for numbers: higher is better, differences count, the zero means nothing."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if not is_reward_model(folder):
            raise UserError(f"{folder} is not a reward model.", "It needs a config.json with one label; train one.")
        check_template(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        loaded = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        self.model = cast("PreTrainedModel", loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval())
        self.room = int(self.model.config.max_position_embeddings)

    def of_answers(self, rows: Sequence[Mapping[str, object]], answers: Sequence[str]) -> list[float]:
        """The reward of an answer to each row's prompt."""
        turns = [{"role": "assistant", "content": answer} for answer in answers]
        return self.of_chats([[*conversation_of(row), turn] for row, turn in zip(rows, turns, strict=True)])

    def of_chats(self, chats: Sequence[Chat]) -> list[float]:
        """The reward of the last turn of each chat; one that does not fit is read from its end."""
        import torch

        rendered = render_all(self.tokenizer, chats)
        found = [0.0] * len(rendered)
        for places in in_batches(rendered, BATCH):
            rows = [rendered[place].ids[-self.room :] for place in places]
            with torch.inference_mode():
                values = rewards_of(self.model, rows, pad=cast("int", self.tokenizer.pad_token_id))
            for place, value in zip(places, values.tolist(), strict=True):
                found[place] = float(value)
        return found


def rewards_of(model: PreTrainedModel, rows: Sequence[Sequence[int]], *, pad: int) -> torch.Tensor:
    """The reward of each row of token ids, [rows], read at its last token."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=model.device)
    there = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
    hidden = model.base_model(input_ids=ids, attention_mask=there, use_cache=False).last_hidden_state
    last = there.sum(1) - 1
    head = cast("torch.nn.Module", model.score)
    return cast("torch.Tensor", head(hidden[torch.arange(len(rows)), last])[:, 0].float())


def is_reward_model(folder: Path) -> bool:
    """Whether a folder holds a model with one number as its head."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    named = json.loads(path.read_text("utf-8")).get("architectures") or [""]
    return str(named[0]).endswith("ForSequenceClassification")
