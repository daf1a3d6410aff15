"""A model on this machine: a Hugging Face model folder, or an adapter on one, asked in batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import is_adapter, load_base, put_on, read_adapter
from tunesmith.models.base import Answer, Chat, Likelihood, Sampling, TokenLogprobs
from tunesmith.models.chat import Tokens, render_all, template_hash
from tunesmith.models.generation import (
    Decoding,
    answer_ids,
    in_batches,
    left_padded,
    logits_of,
    virtual_tokens,
    wants_equal_lengths,
)
from tunesmith.models.likelihood import likelihoods
from tunesmith.models.reward_model import is_reward_model
from tunesmith.models.template import check_template

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

SMALL = 100_000_000  # on a CPU, models below this many weights gain nothing from bfloat16 and stay in float32


@dataclass(frozen=True)
class Loaded:
    """What a folder holds, in memory: tokenizer, model on its device, and decoding settings."""

    tokenizer: PreTrainedTokenizerFast
    model: PreTrainedModel
    config: GenerationConfig | None

    def decoding(self, name: str) -> Decoding:
        """How this model is spoken with, under a name."""
        given = getattr(self.model.config, "max_position_embeddings", None)
        room = None if given is None else given - virtual_tokens(self.model)
        return Decoding(name, self.tokenizer, self.config, room)


class LocalModel:
    """A model folder (config, safetensors, tokenizer with chat template, decoding settings) behind the Model protocol.

    The folder may be that of an adapter; its base is then loaded beneath it. `loaded` is what the folder holds, where
    that is in memory already.

    Greedy answers depend on the chat alone up to rounding: chats are padded to batches of like length, and in float32
    (the precision of small models on a CPU) a different batch moves a logit by about one part in a million, so that
    only a near tie could end otherwise. Sampled answers repeat for the same seed and the same list of chats.
    """

    can = frozenset({"generate", "logprobs", "likelihoods"})

    def __init__(
        self, folder: Path, *, name: str | None = None, batch_size: int = 128, loaded: Loaded | None = None
    ) -> None:
        self.name = name or folder.name
        self.folder = folder
        self.batch_size = batch_size
        loaded = loaded or load(folder)
        self.tokenizer, self.model = loaded.tokenizer, loaded.model
        self.decoding = loaded.decoding(self.name)
        self.precision = precision_of(self.model)

    @property
    def template(self) -> str:
        """The hash of the chat template that renders its chats."""
        return template_hash(self.tokenizer)

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order; what `sampling` leaves open is as the folder's decoding settings say."""
        import torch

        prompts = render_all(self.tokenizer, chats, answer=False)
        self.decoding.refuse_too_long(prompts)
        answers: dict[int, Answer] = {}
        with torch.random.fork_rng():
            torch.manual_seed(sampling.seed)
            room = [self.decoding.max_tokens(sampling, len(prompt.ids)) for prompt in prompts]
            for indices in in_batches(prompts, self.batch_size, [*zip(room, self._lengths(prompts), strict=True)]):
                made = self._answered([prompts[i].ids for i in indices], sampling, room[indices[0]])
                answers.update(zip(indices, made, strict=True))
        return [answers[i] for i in range(len(prompts))]

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """The log-probabilities of the tokens of each chat's last assistant turn, its end-of-turn token included."""
        rows = render_all(self.tokenizer, chats)
        self.decoding.refuse_too_long(rows)
        found: dict[int, TokenLogprobs] = {}
        for indices in in_batches(rows, self.batch_size // 4 or 1, self._lengths(rows)):
            found.update(zip(indices, self._logprobs([rows[i] for i in indices]), strict=True))
        return [found[i] for i in range(len(rows))]

    def likelihoods(self, texts: Sequence[str]) -> list[Likelihood]:
        """How likely each text is as a document of its own; no template is put around it."""
        import torch

        with torch.inference_mode(), self.precision.autocast():
            return likelihoods(self.model, self.tokenizer, texts, room=self.decoding.room)

    def _lengths(self, rows: Sequence[Tokens]) -> list[int]:
        """What rows must have in common to share a batch: their lengths, where padding would change answers."""
        return [len(row.ids) for row in rows] if wants_equal_lengths(self.model) else [0] * len(rows)

    def _answered(self, prompts: list[list[int]], sampling: Sampling, limit: int) -> list[Answer]:
        import torch

        with torch.inference_mode(), self.precision.autocast():
            made = answer_ids(self.model, prompts, self.decoding, sampling, limit)
        return [self.decoding.answer(prompt, ids, sampling) for prompt, ids in zip(prompts, made, strict=True)]

    def _logprobs(self, rows: list[Tokens]) -> list[TokenLogprobs]:
        import torch

        ids_BT, there_BT = left_padded([row.ids for row in rows], self.decoding.pad, self.model.device.type)
        with torch.inference_mode(), self.precision.autocast():
            logits = logits_of(self.model, ids_BT, there_BT)
        logps = logits[:, :-1].float().log_softmax(-1).gather(2, ids_BT[:, 1:, None])[..., 0]
        return [self.decoding.of_turn(row, logps[line].tolist()) for line, row in enumerate(rows)]


@dataclass(frozen=True)
class Precision:
    """A device, and whether matrix products are taken in bfloat16 there."""

    device: str
    bfloat16: bool

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a model is asked."""
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bfloat16)


def precision_of(model: PreTrainedModel) -> Precision:
    """How a model is asked where it lies."""
    device = model.device.type
    return Precision(device, device == "cpu" and int(model.num_parameters()) > SMALL and _cpu_has_bfloat16())


def load(folder: Path, *, four_bit: bool = False) -> Loaded:
    """A model folder, or an adapter folder on its base, in memory; `four_bit` as the base of a qlora adapter."""
    import torch
    from transformers.utils import logging

    adapter = read_adapter(folder) if is_adapter(folder) else None
    if adapter is None and not (folder / "config.json").exists():
        raise UserError(f"{folder} is not a model folder.", "It needs config.json, model.safetensors and a tokenizer.")
    if is_reward_model(folder):
        hint = "Ask it for rewards: - metrics: [pair_accuracy], or reward: in an rlhf step."
        raise UserError(
            f"{folder.parent.name}/{folder.name} is a reward model: it judges answers, it writes none.", hint
        )
    check_template(folder)
    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = torch.bfloat16 if device == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    four_bit = four_bit or (adapter is not None and adapter.kind == "qlora")
    base = load_base(folder if adapter is None else adapter.base, four_bit=four_bit, dtype=precision)
    if not four_bit:
        base.to(device)
    tokenizer, config = own_decoding(folder)
    base.generation_config = config or base.generation_config
    model = base if adapter is None else cast("PreTrainedModel", put_on(base, adapter))
    return Loaded(tokenizer, model.eval(), base.generation_config)


def own_decoding(folder: Path) -> tuple[PreTrainedTokenizerFast, GenerationConfig | None]:
    """The tokenizer of a folder, and its decoding settings if it has some."""
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not (folder / "generation_config.json").is_file():
        return tokenizer, None
    return tokenizer, GenerationConfig.from_pretrained(folder, local_files_only=True)


def _cpu_has_bfloat16() -> bool:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
