"""What a training begins with: tokenizer and model, loaded or made, on their device."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tunesmith.core.errors import UserError
from tunesmith.costs.anatomy import anatomy_of
from tunesmith.costs.memory import Precision
from tunesmith.costs.shapes import width_of
from tunesmith.models.adapter_folder import is_adapter, load_base, put_on, read_adapter
from tunesmith.models.generation import virtual_tokens
from tunesmith.train.adapters import attach, count_all
from tunesmith.train.batches import mean_length
from tunesmith.train.budget import Chosen
from tunesmith.train.device import Device, checked, count_parameters, pick_device, usual_precision
from tunesmith.train.job import Adapter, Job, Row, Scratch
from tunesmith.train.loop import trained_weights
from tunesmith.train.meter import Meter
from tunesmith.train.peak import peak_flops
from tunesmith.train.scratch import scratch_model, scratch_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tunesmith.train.corpus import Rendered

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
    base: Path | None = None  # the model folder beneath it
    home: Path | None = None  # where the trained folder will lie, if not where it is written
    part_tokens: int | None = None  # padded tokens that fit into memory at once; no limit without it
    layout: str = "buckets"  # how batches lie in memory: rows of like length padded, or packed end to end
    bounds: bool = False  # packed batches tell where their rows begin, as flash attention wants to know
    compiled: bool = False  # the layers are

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
    def computing(self) -> list[object]:
        """What changes the rounding of results: a training that was begun otherwise is not gone on with."""
        kernel = self.core.config.get_text_config()._attn_implementation
        return [
            self.adapted,
            str(self.device),
            self.device.weights,
            kernel,
            self.layout,
            self.part_tokens,
            self.compiled,
        ]

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return int(self.model.config.hidden_size)

    @property
    def core(self) -> PreTrainedModel:
        """The model itself, with adapters inside but nothing around it."""
        return cast("PreTrainedModel", self.model.get_base_model() if self.adapted else self.model)

    def meter(self, rows: Rendered) -> Meter:
        """What measures the speed of this training on these rows."""
        tokens = sum(int(side.lengths.sum()) for side in rows.sides)
        labels = sum(int(side.labels.sum()) for side in rows.sides)
        return self.meter_of(mean_length(rows.lengths), labels=labels / max(1, tokens))

    def meter_of(self, length: float, *, labels: float = 1.0) -> Meter:
        """The same for rows of this length, of whose tokens a share are labels."""
        anatomy = anatomy_of(self.model.config)
        if anatomy.experts > 1:  # a token's share of the experts is not known here
            return Meter()
        work = anatomy.flops(length, labels=labels, adapter=self.trained if self.adapted else None)
        return Meter(flops_per_token=work, peak_flops=lambda: peak_flops(self.device))

    @property
    def room(self) -> int:
        """Tokens of a row that the model can hold."""
        return int(self.model.config.max_position_embeddings) - virtual_tokens(self.model)


def start_from(
    job: Job, device: Device | None = None, *, precision: Precision | None = None, chats: bool = True
) -> Start:
    """Load or make the tokenizer and the model of a job, on its device, ready to train; on `chats` it needs a template.

    From an adapter's checkpoint that adapter is trained further, its base frozen.
    """
    goes_on = not isinstance(job.start, Scratch) and is_adapter(job.start)
    if job.adapter is not None and (goes_on or isinstance(job.start, Scratch)):
        _refuse(job.adapter, job.start)
    chosen = Chosen(job.say)
    device = device or _device(job, precision, chosen)
    tokenizer, model = _scratch(job, job.start) if isinstance(job.start, Scratch) else _loaded(job, device, chats=chats)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
        job.say("padding uses the stop token, as the tokenizer has none of its own; the mask keeps it out of the loss")
    model.set_attn_implementation("sdpa")
    model.to(device.name)
    if goes_on or job.adapter is not None:
        return _adapted(job, tokenizer, model, device, chosen)
    model.train()
    trained = sum(weight.numel() for weight in trained_weights(model))
    return Start(tokenizer, model, device, chosen, count_parameters(model), trained)


def _adapted(
    job: Job, tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel, device: Device, chosen: Chosen
) -> Start:
    """The start of a new adapter, or of one that is trained further."""
    start = cast("Path", job.start)
    if job.adapter is not None:
        kind, base = job.adapter.kind, start
        adapted = attach(model, job.adapter, seed=job.seed, words=partial(_words, tokenizer, job.train))
    else:
        stored = read_adapter(start)
        kind, base = stored.kind, stored.base
        job.say(f"goes on with the {kind} adapter it starts from, as no adapter: is named; its base stays as it is")
        adapted = put_on(model, stored, trainable=True)
    adapted.train()
    trained = sum(weight.numel() for weight in trained_weights(cast("PreTrainedModel", adapted)))
    whole = cast("PreTrainedModel", adapted)
    found = Start(tokenizer, whole, device, chosen, count_all(adapted), trained, kind, base=base, home=job.home)
    if found.room < 1:
        raise UserError(f"The virtual tokens of a {kind} adapter fill all the room there is.", "Lower tokens:.")
    return found


def _refuse(adapter: Adapter, start: Path | Scratch) -> None:
    if isinstance(start, Scratch):
        raise UserError(
            f"A {adapter.kind} adapter cannot be trained on random weights.", "Put a step without adapter: before it."
        )
    raise UserError(
        f"A {adapter.kind} adapter cannot be trained on another adapter.",
        "Leave adapter: out to train that one further, or merge it first, if its kind can be: tunesmith export",
    )


def _words(tokenizer: PreTrainedTokenizerFast, rows: Iterable[Row], text: str | None) -> Iterator[int]:
    """The token ids of a text, or of what the training rows say."""
    for part in texts_of(rows) if text is None else [text]:
        yield from tokenizer(part, add_special_tokens=False)["input_ids"]


def _device(job: Job, precision: Precision | None, chosen: Chosen) -> Device:
    """The device at the precision that was given, or at the one that suits model and memory."""
    device = pick_device()
    if precision is not None:
        return checked(device, precision)
    goes_on = isinstance(job.start, Path) and is_adapter(job.start)
    many = _parameters(job.start) if device.name != "cpu" and isinstance(job.start, Path) else 0
    usual = usual_precision(device, many, adapter=goes_on or job.adapter is not None)
    return device.at(str(chosen.computed("precision", usual)))


def _parameters(folder: Path) -> int:
    """How many weights the model of a folder has, without loading them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    base = read_adapter(folder).base if is_adapter(folder) else folder
    _check_folder(base)
    with torch.device("meta"):
        return count_parameters(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base)))


def _scratch(job: Job, start: Scratch) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    shape = width_of(start.size)
    held: dict[str, object] = {"length": shape.length}
    options = {**held, "vocabulary": shape.vocabulary, **start.tokenizer}
    tokenizer = _with_options(scratch_tokenizer, "tokenizer", options, texts_of(job.train))
    model = _with_options(scratch_model, "init", {**held, **start.init}, tokenizer, size=start.size, seed=job.seed)
    config = model.config
    job.say(
        f"scratch:{start.size} has {config.num_hidden_layers} layers of width {config.hidden_size}, a vocabulary of "
        f"{len(tokenizer):,} tokens and room for {config.max_position_embeddings:,}"
    )
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


def texts_of(rows: Iterable[Row]) -> Iterable[str]:
    """The text of every row: its document and every turn, in order, with the tools it may call and those it calls."""
    for row in rows:
        if isinstance(document := row.get("text"), str) and not row.get("messages"):
            yield document
        turns = [turn for column in TURNS for turn in cast("list[Mapping[str, object]]", row.get(column) or [])]
        told = [turn.get(name) for turn in turns for name in ("content", "tool_calls")]
        yield from (text if isinstance(text, str) else json.dumps(text) for text in (row.get("tools"), *told) if text)


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").exists():
        raise UserError(f"{folder} is not a model folder.", "It needs config.json, model.safetensors and a tokenizer.")


def _loaded(job: Job, device: Device, *, chats: bool) -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    import torch
    from transformers import AutoTokenizer, GenerationConfig

    folder = cast("Path", job.start)
    stored = read_adapter(folder) if is_adapter(folder) else None
    if stored is None:
        _check_folder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    kind = stored.kind if stored else job.adapter and job.adapter.kind
    with quiet():
        model = load_base(
            stored.base if stored else folder, four_bit=kind == "qlora", dtype=getattr(torch, device.weights)
        )
    if stored and (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    if chats and not tokenizer.chat_template:
        raise UserError(f"The tokenizer in {folder} has no chat template.", "Start from an instruction-tuned model.")
    return cast("PreTrainedTokenizerFast", tokenizer), model


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers' own between ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
