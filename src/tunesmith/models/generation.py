"""How a batch of rendered chats is put to a model here, with or without an adapter, and how answers are read off it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import DEFAULT
from tunesmith.models.base import Answer, Sampling, TokenLogprobs
from tunesmith.models.chat import Tokens, last_turn

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

USUAL_MAX_TOKENS = 256  # where neither the request nor the folder says how long an answer may be


@dataclass(frozen=True)
class Decoding:
    """What turns chats into prompts and token ids into answers: tokenizer, decoding settings, room for tokens."""

    name: str
    tokenizer: PreTrainedTokenizerFast
    config: GenerationConfig | None
    room: int | None

    @property
    def pad(self) -> int:
        """The id that fills short rows."""
        pad = self.tokenizer.pad_token_id
        return cast("int", self.tokenizer.eos_token_id if pad is None else pad)

    @property
    def ends(self) -> set[int]:
        """The ids that end an answer. Rows that a stop string ended early are filled up with padding."""
        ends = self.tokenizer.eos_token_id if self.config is None else self.config.eos_token_id
        return {self.pad, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}

    def refuse_too_long(self, rows: Sequence[Tokens]) -> None:
        """Raise UserError where a row leaves no room for an answer."""
        longest = max((len(row.ids) for row in rows), default=0)
        if self.room is not None and longest >= self.room:
            raise UserError(
                f"A chat has {longest} tokens.", f"The model '{self.name}' holds {self.room}; shorten the chat."
            )

    def max_tokens(self, sampling: Sampling, prompt: int) -> int:
        """How many tokens the answer to a prompt of so many may take."""
        own = None if self.config is None else self.config.max_new_tokens
        wanted = sampling.max_tokens or own or USUAL_MAX_TOKENS
        return wanted if self.room is None else min(wanted, self.room - prompt)

    def answer(self, prompt: list[int], ids: list[int], sampling: Sampling) -> Answer:
        """The answer that new ids hold."""
        end = next((position for position, token in enumerate(ids) if token in self.ends), None)
        kept = ids if end is None else ids[:end]
        text = cast("str", self.tokenizer.decode(kept, skip_special_tokens=True))
        cuts = [text.find(stop) for stop in sampling.stop if stop in text]
        finish = "length" if end is None and not cuts else "stop"
        return Answer(text[: min(cuts)] if cuts else text, len(prompt), len(kept), finish)

    def of_turn(self, row: Tokens, padded: list[float]) -> TokenLogprobs:
        """The log-probabilities of a row's last turn, from those of the left-padded row but its first token."""
        turn = last_turn(row.mask)
        shift = len(padded) - len(row.ids)  # the first token of a row has no log-probability
        tokens = tuple(cast("str", self.tokenizer.decode([token])) for token in row.ids[turn])
        return TokenLogprobs(tokens, tuple(padded[turn.start + shift : turn.stop + shift]))


def answer_ids(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    decoding: Decoding,
    sampling: Sampling,
    limit: int,
    also: Mapping[str, object] | None = None,
) -> list[list[int]]:
    """The new ids that a model gives to each prompt, in one batch, at most `limit`; `also` goes to generate."""
    import torch

    more = dict(also or {})
    ids_BT, there_BT = left_padded(prompts, decoding.pad, model.device.type)
    cache = virtual_cache(model, len(prompts))
    if cache is not None:  # places for the virtual tokens, whose keys and values are there already
        before = cache.get_seq_length()
        ids_BT = torch.nn.functional.pad(ids_BT, (before, 0), value=decoding.pad)
        there_BT = torch.nn.functional.pad(there_BT, (before, 0), value=1)
        more |= {"past_key_values": cache}
        model = cast("Any", model).get_base_model()
    if sampling.stop:
        more |= {"stop_strings": list(sampling.stop), "tokenizer": decoding.tokenizer}
    made = cast("Any", model).generate(
        input_ids=ids_BT, attention_mask=there_BT, max_new_tokens=limit, **how(sampling), **more
    )
    return cast("list[list[int]]", made[:, ids_BT.shape[1] :].tolist())


def logits_of(model: PreTrainedModel, ids_BT: torch.Tensor, there_BT: torch.Tensor, **also: object) -> torch.Tensor:
    """Logits of left-padded rows, [B, T, vocabulary]; virtual tokens have none."""
    import torch

    places_BT = (there_BT.cumsum(1) - 1).clamp(min=0)
    cache = virtual_cache(model, len(ids_BT))
    if cache is not None:
        before = cache.get_seq_length()
        there_BT, places_BT = torch.nn.functional.pad(there_BT, (before, 0), value=1), places_BT + before
        also |= {"past_key_values": cache}
        model = cast("Any", model).get_base_model()
    made = cast("Any", model)(input_ids=ids_BT, attention_mask=there_BT, position_ids=places_BT, **also)
    return cast("torch.Tensor", made.logits)


def virtual_tokens(model: PreTrainedModel) -> int:
    """How many virtual tokens stand before every row: those of a prefix or prompt adapter, else none."""
    config = getattr(model, "peft_config", {}).get(DEFAULT)
    return int(config.num_virtual_tokens) if config is not None and config.is_prompt_learning else 0


def wants_equal_lengths(model: PreTrainedModel) -> bool:
    """Whether padding would change answers: between virtual tokens and a row it takes a sliding window's places."""
    return bool(virtual_tokens(model)) and getattr(model.config, "sliding_window", None) is not None


def virtual_cache(model: PreTrainedModel, rows: int) -> DynamicCache | None:
    """Keys and values of the virtual tokens before so many rows; None where there are none.

    PEFT's own way puts a prompt adapter's tokens before the padding and takes no positions: an answer would then depend
    on what else is in the batch. As a cache they stand right before each row, as in training.
    """
    if not virtual_tokens(model):
        return None
    adapted = cast("Any", model)
    given = adapted.get_prompt(batch_size=1)
    if adapted.active_peft_config.peft_type == "PROMPT_TUNING":
        base = adapted.get_base_model()
        embedded = given.to(base.get_input_embeddings().weight.dtype)
        given = base(inputs_embeds=embedded, use_cache=True).past_key_values
    given.batch_repeat_interleave(rows)
    return cast("DynamicCache", given)


def in_batches(rows: Sequence[Tokens], size: int, room: Sequence[object] | None = None) -> Iterator[list[int]]:
    """Indices in batches of like length; rows that may have answers of different lengths are never together."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    if room is not None:
        first = {given: place for place, given in reversed(list(enumerate(room)))}
        order.sort(key=lambda i: first[room[i]])
    for _, same in groupby(order, key=lambda i: room[i] if room else 0):
        indices = list(same)
        for start in range(0, len(indices), size):
            yield indices[start : start + size]


def left_padded(rows: Sequence[list[int]], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and which of them are there, [B, T] each."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    there = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, there


def how(sampling: Sampling) -> dict[str, object]:
    """What the request decides, in transformers' names; nothing where it leaves the choice to the folder."""
    if sampling.temperature is None:
        return {} if sampling.top_p is None else {"do_sample": True, "top_p": sampling.top_p, "top_k": 0}
    if sampling.temperature <= 0:
        return {"do_sample": False}
    top_p = 1.0 if sampling.top_p is None else sampling.top_p
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": top_p, "top_k": 0}
