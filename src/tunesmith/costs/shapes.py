"""The anatomy of a model by its name: from scratch, well known, a folder with config.json, or a number of weights."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tunesmith.core.errors import UserError
from tunesmith.costs.anatomy import Anatomy, anatomy_of
from tunesmith.costs.files import shipped
from tunesmith.costs.names import nearest, plain

SCRATCH = "scratch:"
VOCABULARY, LENGTH = 4096, 512  # usual, from scratch
TUNED = re.compile(r"(?i)[-_.](instruct|chat|it|base|sft|dpo|hf|v0\.\d|bnb-4bit)(?![a-z])")
COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.IGNORECASE)
TIMES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
NEAR = 0.06  # of a number of weights: another's shape is taken as it is


@dataclass(frozen=True)
class Width:
    """Width, layers and width of one attention head of a Llama from scratch, and what is usual at its size."""

    hidden: int
    layers: int
    head: int
    shared: int = 1  # query heads to a key-value head (Ainslie et al. 2023, arXiv 2305.13245)
    feed_forward: int | None = None  # width; computed without it: 8/3 of the hidden width
    vocabulary: int = VOCABULARY
    length: int = LENGTH  # tokens that the model can hold

    @property
    def inner(self) -> int:
        """Width of the feed-forward layers, a multiple of 32."""
        return self.feed_forward or -(-self.hidden * 8 // 3 // 32) * 32


# Named by their parameters at their usual vocabulary, input and output embeddings tied.
SIZES = {
    "tiny": Width(hidden=64, layers=2, head=16),  # 0.4M, to learn with
    "0.1M": Width(hidden=32, layers=1, head=16),  # for tests
    "0.7M": Width(hidden=128, layers=1, head=32),
    "1M": Width(hidden=128, layers=2, head=32),
    "2M": Width(hidden=192, layers=2, head=32),
    "4M": Width(hidden=256, layers=4, head=32),
    "12M": Width(hidden=384, layers=6, head=64),
    "35M": Width(hidden=640, layers=7, head=64),
    "100M": Width(hidden=768, layers=14, head=64, vocabulary=32_768, length=2048),
    "350M": Width(hidden=1024, layers=24, head=64, vocabulary=32_768, length=2048),
    # As Llama 3.2 1B, which has 128,256 tokens.
    "1b": Width(hidden=2048, layers=16, head=64, shared=4, feed_forward=8192, vocabulary=32_768, length=4096),
}


@dataclass(frozen=True)
class Shape:
    """A model that can be reckoned with."""

    name: str
    anatomy: Anatomy
    told: str  # where its sizes are from

    @property
    def scratch(self) -> bool:
        """Whether it starts from random weights of ours."""
        return self.name.startswith(SCRATCH)


def width_of(size: str) -> Width:
    """The width of a size, in capital or small letters; UserError with the nearest name if there is none."""
    names = {name.lower(): name for name in SIZES}
    if size.lower() not in names:
        near = difflib.get_close_matches(size.lower(), names, n=1)
        hint = f"Did you mean {SCRATCH}{names[near[0]]}? " if near else ""
        raise UserError(f"There is no size '{SCRATCH}{size}'.", f"{hint}Sizes: {', '.join(SIZES)}")
    return SIZES[names[size.lower()]]


def scratch_config(size: str, vocabulary: int) -> dict[str, Any]:
    """The config of a Llama from scratch, of a size by its name."""
    width = width_of(size)
    return {
        "vocab_size": vocabulary,
        "hidden_size": width.hidden,
        "intermediate_size": width.inner,
        "num_hidden_layers": width.layers,
        "num_attention_heads": width.hidden // width.head,
        "num_key_value_heads": width.hidden // width.head // width.shared,
        "tie_word_embeddings": True,
    }


def shape_of(name: str, *, vocabulary: int | None = None, folder: Path = Path()) -> Shape:
    """The shape of a model by its name; UserError with the nearest names if none is known.

    The name is scratch:SIZE, a folder with config.json, a well-known model (models.yaml) with or without its owner, or
    a number of weights such as 8B, for which a Llama of that size is taken.
    """
    if name.startswith(SCRATCH):
        size = name.removeprefix(SCRATCH)
        vocabulary = vocabulary or width_of(size).vocabulary
        config = scratch_config(size, vocabulary)
        return Shape(name, anatomy_of(config), f"from scratch, a vocabulary of {vocabulary:,}")
    if (folder / name / "config.json").is_file():
        return _of_folder(folder / name, name)
    if found := COUNT.fullmatch(name.strip()):
        return inferred(float(found[1]) * TIMES[found[2].lower()], name.strip())
    models = cast("Mapping[str, Mapping[str, object]]", shipped("models.yaml")["models"])
    wanted = plain(TUNED.sub("", name.partition("@")[0]))
    known = next((each for each in models if plain(each) == wanted or plain(f"meta-{each}") == wanted), None)
    if known is None:
        hint = "A folder with config.json and a number of weights such as 8B do as well."
        raise UserError(f"the shape of {name!r} is not known.", f"{nearest(name, models)} {hint}")
    return Shape(known, anatomy_of(models[known]), "listed in models.yaml")


def _of_folder(folder: Path, name: str) -> Shape:
    try:
        anatomy = anatomy_of(json.loads((folder / "config.json").read_text("utf-8")))
    except KeyError as error:
        raise UserError(f"{name}/config.json does not say {error.args[0]}.", "Name a number of weights: 8B.") from error
    return Shape(name, anatomy, f"{name}/config.json")


def inferred(parameters: float, name: str) -> Shape:
    """A Llama of so many weights: a well-known one of that size, or one between them by the same proportions."""
    models = cast("Mapping[str, Mapping[str, object]]", shipped("models.yaml")["models"])
    llamas = {each: anatomy_of(config) for each, config in models.items() if each.startswith(("Llama-3", "SmolLM2"))}
    near = min(llamas, key=lambda each: abs(math.log(llamas[each].parameters / parameters)))
    like = llamas[near]
    if abs(like.parameters / parameters - 1) < NEAR:
        return Shape(name, like, f"inferred: the shape of {near}, {like.parameters / 1e9:.2f}B")
    times = (parameters / like.parameters) ** (1 / 3)
    heads = max(like.heads // like.kv_heads, round(like.heads * times))
    groups = max(1, round(heads * like.kv_heads / like.heads))
    scaled = replace(
        like,
        layers=max(1, round(like.layers * times)),
        heads=heads,
        kv_heads=groups,
        hidden=heads * like.head,
        feed_forward=1,
    )
    left = parameters - scaled.parameters
    fitted = replace(scaled, feed_forward=max(1, round(left / (3 * scaled.layers * scaled.hidden))))
    return Shape(name, fitted, f"inferred: {near} scaled to {parameters / 1e9:.3g}B weights")
