"""A model on this machine: a Hugging Face model folder, asked in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Answer, Chat, Sampling, TokenLogprobs
from tunesmith.models.chat import Tokens, last_turn, render_all, template_hash

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

USUAL_MAX_TOKENS = 256  # where neither the request nor the folder says how long an answer may be
SMALL = 100_000_000  # on a CPU, models below this many weights gain nothing from bfloat16 and stay in float32


class LocalModel:
    """A model folder (config, safetensors, tokenizer with chat template, decoding settings) behind the Model protocol.

    Greedy answers depend on the chat alone up to rounding: chats are padded to batches of like length, and in float32
    (the precision of small models on a CPU) a different batch moves a logit by about one part in a million, so that
    only a near tie could end otherwise. Sampled answers repeat for the same seed and the same list of chats.
    """

    can = frozenset({"generate", "logprobs"})

    def __init__(self, folder: Path, *, name: str | None = None, batch_size: int = 128) -> None:
        self.name = name or folder.name
        self.folder = folder
        self.batch_size = batch_size
        self.tokenizer, self.model = _loaded(folder)
        self.device = self.model.device.type
        self.bfloat16 = self.device == "cpu" and _is_large(self.model) and _cpu_has_bfloat16()

    @property
    def template(self) -> str:
        """The hash of the chat template that renders its chats."""
        return template_hash(self.tokenizer)

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order; what `sampling` leaves open is as the folder's decoding settings say."""
        import torch

        prompts = render_all(self.tokenizer, chats, answer=False)
        self._refuse_too_long(prompts)
        answers: dict[int, Answer] = {}
        with torch.random.fork_rng():
            torch.manual_seed(sampling.seed)
            room = [self._max_tokens(sampling, len(prompt.ids)) for prompt in prompts]
            for indices in _batches(prompts, self.batch_size, room):
                made = self._answered([prompts[i].ids for i in indices], sampling, room[indices[0]])
                answers.update(zip(indices, made, strict=True))
        return [answers[i] for i in range(len(prompts))]

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """The log-probabilities of the tokens of each chat's last assistant turn, its end-of-turn token included."""
        rows = render_all(self.tokenizer, chats)
        self._refuse_too_long(rows)
        found: dict[int, TokenLogprobs] = {}
        for indices in _batches(rows, self.batch_size // 4 or 1):
            found.update(zip(indices, self._logprobs([rows[i] for i in indices]), strict=True))
        return [found[i] for i in range(len(rows))]

    def _refuse_too_long(self, prompts: Sequence[Tokens]) -> None:
        room = getattr(self.model.config, "max_position_embeddings", None)
        longest = max((len(prompt.ids) for prompt in prompts), default=0)
        if room is not None and longest >= room:
            raise UserError(f"A chat has {longest} tokens.", f"The model '{self.name}' holds {room}; shorten the chat.")

    def _answered(self, prompts: list[list[int]], sampling: Sampling, limit: int) -> list[Answer]:
        import torch

        ids_BT, there_BT = _left_padded(prompts, self._pad, self.device)
        stops = {"stop_strings": list(sampling.stop), "tokenizer": self.tokenizer} if sampling.stop else {}
        with torch.inference_mode(), self._precision():
            generate = cast("Any", self.model).generate
            made = generate(input_ids=ids_BT, attention_mask=there_BT, max_new_tokens=limit, **_how(sampling), **stops)
        new = made[:, ids_BT.shape[1] :].tolist()
        return [self._answer(prompt, ids, sampling) for prompt, ids in zip(prompts, new, strict=True)]

    def _max_tokens(self, sampling: Sampling, prompt: int) -> int:
        config = self.model.generation_config
        own = None if config is None else config.max_new_tokens
        wanted = sampling.max_tokens or own or USUAL_MAX_TOKENS
        return min(wanted, getattr(self.model.config, "max_position_embeddings", prompt + wanted) - prompt)

    def _answer(self, prompt: list[int], ids: list[int], sampling: Sampling) -> Answer:
        end = next((position for position, token in enumerate(ids) if token in self._ends), None)
        kept = ids if end is None else ids[:end]
        text = cast("str", self.tokenizer.decode(kept, skip_special_tokens=True))
        cuts = [text.find(stop) for stop in sampling.stop if stop in text]
        finish = "length" if end is None and not cuts else "stop"
        return Answer(text[: min(cuts)] if cuts else text, len(prompt), len(kept), finish)

    @property
    def _ends(self) -> set[int]:
        config = self.model.generation_config
        ends = self.tokenizer.eos_token_id if config is None else config.eos_token_id
        # Rows that a stop string ended early are filled up with padding.
        return {self._pad, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return cast("int", self.tokenizer.eos_token_id if pad is None else pad)

    def _logprobs(self, rows: list[Tokens]) -> list[TokenLogprobs]:
        import torch

        ids_BT, there_BT = _left_padded([row.ids for row in rows], self._pad, self.device)
        places_BT = (there_BT.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode(), self._precision():
            logits = self.model(input_ids=ids_BT, attention_mask=there_BT, position_ids=places_BT).logits
        logps = logits[:, :-1].float().log_softmax(-1).gather(2, ids_BT[:, 1:, None])[..., 0]
        return [self._of_turn(row, logps[line].tolist()) for line, row in enumerate(rows)]

    def _of_turn(self, row: Tokens, padded: list[float]) -> TokenLogprobs:
        turn = last_turn(row.mask)
        shift = len(padded) - len(row.ids)  # the first token of a row has no log-probability
        tokens = tuple(cast("str", self.tokenizer.decode([token])) for token in row.ids[turn])
        return TokenLogprobs(tokens, tuple(padded[turn.start + shift : turn.stop + shift]))

    def _precision(self) -> AbstractContextManager[object]:
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bfloat16)


def _loaded(folder: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    if not (folder / "config.json").exists():
        raise UserError(f"{folder} is not a model folder.", "It needs config.json, model.safetensors and a tokenizer.")
    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=precision)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer, model.to(device).eval()


def _is_large(model: PreTrainedModel) -> bool:
    return int(model.num_parameters()) > SMALL


def _cpu_has_bfloat16() -> bool:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _batches(rows: Sequence[Tokens], size: int, room: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Indices in batches of like length; rows that may have answers of different lengths are never together."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for _, same in groupby(order, key=lambda i: room[i] if room else 0):
        indices = list(same)
        for start in range(0, len(indices), size):
            yield indices[start : start + size]


def _left_padded(rows: Sequence[list[int]], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    there = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, there


def _how(sampling: Sampling) -> dict[str, object]:
    """What the request decides, in transformers' names; nothing where it leaves the choice to the folder."""
    if sampling.temperature is None:
        return {} if sampling.top_p is None else {"do_sample": True, "top_p": sampling.top_p, "top_k": 0}
    if sampling.temperature <= 0:
        return {"do_sample": False}
    top_p = 1.0 if sampling.top_p is None else sampling.top_p
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": top_p, "top_k": 0}
