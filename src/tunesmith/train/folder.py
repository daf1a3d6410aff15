"""The model folder: where a training starts from, and what it leaves behind."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.train.adapters import attach
from tunesmith.train.budget import Chosen
from tunesmith.train.device import Device, count_parameters, pick_device
from tunesmith.train.devices import here
from tunesmith.train.job import Job, Rows, Scratch
from tunesmith.train.loop import trained_weights
from tunesmith.train.meter import Meter
from tunesmith.train.scratch import scratch_model, scratch_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

T = TypeVar("T")

TURNS = ("messages", "chosen", "rejected")


@dataclass(frozen=True)
class Start:
    """What a training begins with: tokenizer, model on its device, and what was computed so far."""

    tokenizer: PreTrainedTokenizerFast
    model: PreTrainedModel
    device: Device
    chosen: Chosen
    parameters: int
    trained: int  # of the parameters: those that move
    adapted: str | None = None  # the kind of adapter that is trained
    part_tokens: int | None = None  # padded tokens that fit into memory at once; no limit without it

    @property
    def pad(self) -> int:
        """The id that fills short rows; it is never learnt."""
        return cast("int", self.tokenizer.pad_token_id)

    @property
    def account(self) -> str:
        """What is trained, and where, for people."""
        moving = f", {self.trained:,} of them trained ({self.trained / self.parameters:.2%})" if self.adapted else ""
        return f"{self.parameters:,} parameters{moving} on {self.device}"

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return int(self.model.config.hidden_size)

    def layout(self, given: str | None) -> str:
        """How batches lie in memory: as given, or as is faster here."""
        return given or ("buckets" if self.device.name == "cpu" else "packed")

    def meter(self, length: int) -> Meter:
        """What measures the speed of this training, for rows of about this many tokens."""
        return Meter()

    @property
    def room(self) -> int:
        """Tokens the model can hold."""
        return int(self.model.config.max_position_embeddings)


def start_from(job: Job, device: Device | None = None) -> Start:
    """Load or make the tokenizer and the model of a job, on its device, ready to train."""
    device = device or pick_device()
    tokenizer, model = _scratch(job, job.start) if isinstance(job.start, Scratch) else _loaded(job.start)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
        job.say("padding uses the stop token, as the tokenizer has none of its own; the mask keeps it out of the loss")
    model.set_attn_implementation(device.attention)
    model.to(device.name)
    adapted = None
    if job.adapter is not None:
        model, adapted = attach(model, job.adapter, seed=job.seed), job.adapter.kind
    model.train()
    trained = sum(weight.numel() for weight in trained_weights(model))
    return Start(tokenizer, model, device, Chosen(job.say), count_parameters(model), trained, adapted)


def _scratch(job: Job, start: Scratch) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    tokenizer = _with_options(scratch_tokenizer, "tokenizer", start.tokenizer, texts_of(job.train))
    model = _with_options(scratch_model, "init", start.init, tokenizer, size=start.size, seed=job.seed)
    return tokenizer, model


def _with_options(
    make: Callable[..., T], what: str, options: Mapping[str, object], *given: object, **fixed: object
) -> T:
    known = [p for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    names = [parameter.name for parameter in known if parameter.name not in fixed]
    unknown = sorted(set(options) - set(names))
    if unknown:
        raise UserError(f"{what}: has no option '{unknown[0]}'.", f"It knows {', '.join(names)}.")
    return make(*given, **fixed, **options)


def texts_of(rows: Rows) -> Iterable[str]:
    """The text of every turn of every row, in order, with the tools it may call and those it calls."""
    for row in rows:
        turns = [turn for column in TURNS for turn in cast("list[Mapping[str, object]]", row.get(column) or [])]
        told = [turn.get(name) for turn in turns for name in ("content", "tool_calls")]
        yield from (text if isinstance(text, str) else json.dumps(text) for text in (row.get("tools"), *told) if text)


def _loaded(folder: Path) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").exists():
        raise UserError(f"{folder} is not a model folder.", "It needs config.json, model.safetensors and a tokenizer.")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with _quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    if not tokenizer.chat_template:
        raise UserError(f"The tokenizer in {folder} has no chat template.", "Start from an instruction-tuned model.")
    return cast("PreTrainedTokenizerFast", tokenizer), cast("PreTrainedModel", model)


def write_folder(
    out: Path,
    start: Start,
    *,
    max_new_tokens: int,
    curve: list[dict[str, float]],
    repetition_penalty: float | None = None,
) -> None:
    """Fill `out`: config, safetensors, tokenizer with its chat template, decoding settings, and the curve.

    Without a repetition_penalty the model keeps the one it came with. Of several processes only the main one writes.
    """
    if not here().is_main:
        return
    from transformers import GenerationConfig

    model, tokenizer = start.model, start.tokenizer
    out.mkdir(parents=True, exist_ok=True)
    model.config.use_cache = True
    before = getattr(model.generation_config, "repetition_penalty", None) or 1.0
    model.generation_config = GenerationConfig(
        do_sample=False,
        repetition_penalty=before if repetition_penalty is None else repetition_penalty,
        max_new_tokens=max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with _quiet():
        model.save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)
    _tidy(out)
    (out / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")


def _tidy(out: Path) -> None:
    """Same bytes and readable files wherever the model came from, and a tokenizer class that older engines know."""
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text())
    for private in ("is_local", "local_files_only"):
        config.pop(private, None)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    for file in sorted(out.glob("*.safetensors")):
        shutil.copymode(path, file)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of transformers' own between ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def write_start(job: Job) -> int:
    """Fill `job.out` with the model a job begins with, untrained (the arm to compare with); returns its parameters."""
    start = start_from(job, Device("cpu", bfloat16=False))
    write_folder(job.out, start, max_new_tokens=64, curve=[])
    return start.parameters
