"""A tokenizer and a small Llama of one's own, from random weights."""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.models.chat import CHAT_TEMPLATE, END_OF_TURN, PAD, header_tokens

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from tokenizers.decoders import Decoder
    from tokenizers.normalizers import Normalizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Shape:
    """Width, layers and width of one attention head of a Llama, and what is usual at its size."""

    hidden: int
    layers: int
    head: int
    shared: int = 1  # query heads to a key-value head (Ainslie et al. 2023, arXiv 2305.13245)
    feed_forward: int | None = None  # width; computed without it: 8/3 of the hidden width
    vocabulary: int = 4096
    length: int = 512  # tokens that the model can hold

    @property
    def inner(self) -> int:
        """Width of the feed-forward layers, a multiple of 32."""
        return self.feed_forward or -(-self.hidden * 8 // 3 // 32) * 32


# Named by their parameters at their usual vocabulary, input and output embeddings tied.
SIZES = {
    "tiny": Shape(hidden=64, layers=2, head=16),  # 0.4M, to learn with
    "0.1M": Shape(hidden=32, layers=1, head=16),  # for tests
    "0.7M": Shape(hidden=128, layers=1, head=32),
    "1M": Shape(hidden=128, layers=2, head=32),
    "2M": Shape(hidden=192, layers=2, head=32),
    "4M": Shape(hidden=256, layers=4, head=32),
    "12M": Shape(hidden=384, layers=6, head=64),
    "35M": Shape(hidden=640, layers=7, head=64),
    "100M": Shape(hidden=768, layers=14, head=64, vocabulary=32_768, length=2048),
    "350M": Shape(hidden=1024, layers=24, head=64, vocabulary=32_768, length=2048),
    # As Llama 3.2 1B, which has 128,256 tokens.
    "1b": Shape(hidden=2048, layers=16, head=64, shared=4, feed_forward=8192, vocabulary=32_768, length=4096),
}

CAPITAL, JOIN = "⇧", "⁀"  # marks that text does not use: a word was capitalised, a word was joined to what precedes


def scratch_tokenizer(
    texts: Iterable[str], *, kind: str = "bpe", vocabulary: int = 4096, length: int = 512
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer learnt from the texts, with a chat template, a stop token and a padding token.

    kind "bpe" takes text as it is. kind "words" is for identifiers and plain sentences: `load_config`, `loadConfig` and
    `Load the config` share their word tokens. All of it lives in tokenizer.json, so every engine reproduces it, and
    text comes back as it was.
    """
    from tokenizers import AddedToken, Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    _set_bytes(tokenizer)
    if kind == "words":
        _set_words(tokenizer)
    elif kind != "bpe":
        raise UserError(f"There is no tokenizer '{kind}'.", "Use kind: bpe or kind: words.")
    special = [PAD, END_OF_TURN, *header_tokens()]
    _learn(tokenizer, texts, vocabulary, special)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _set_bytes(tokenizer: Tokenizer) -> None:
    from tokenizers import decoders, pre_tokenizers

    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()


def _set_words(tokenizer: Tokenizer) -> None:
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    tokenizer.normalizer = _words_normalizer()
    tokenizer.pre_tokenizer = Sequence([Split(CAPITAL, "isolated"), ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = _words_decoder()


def _words_normalizer() -> Normalizer:
    """Every word gets a blank before it and small letters; marks tell what was joined and what was capital."""
    from tokenizers import Regex
    from tokenizers.normalizers import Prepend, Replace, Sequence

    inside = "(?<=[^\\sA-Za-z])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    capitals = [
        Replace(Regex(f"(?<![A-Za-z]) {big}(?![A-Z])"), f"{CAPITAL} {big.lower()}") for big in string.ascii_uppercase
    ]
    return Sequence([Prepend(" "), Replace(Regex(inside), f"{JOIN} "), *capitals])


def _words_decoder() -> Decoder:
    from tokenizers.decoders import ByteLevel, Replace, Sequence, Strip

    capitals = [Replace(f"{CAPITAL} {small}", f" {small.upper()}") for small in string.ascii_lowercase]
    return Sequence([ByteLevel(), *capitals, Replace(f"{JOIN} ", ""), Strip(" ", 1, 0)])


def _learn(tokenizer: Tokenizer, texts: Iterable[str], vocabulary: int, special: list[str]) -> None:
    from tokenizers import pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocabulary < len(alphabet) + len(special):
        least = len(alphabet) + len(special)
        raise UserError(f"A vocabulary of {vocabulary} is too small.", f"Bytes and chat marks alone take {least}.")
    trainer = BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)


def scratch_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    size: str = "1M",
    seed: int = 0,
    copy: float = 0.0,
    embedding_std: float = 0.02,
    length: int = 512,
) -> LlamaForCausalLM:
    """A Llama of random weights that fits the tokenizer.

    copy=0.5 lets the last layer's value and output projections start as 0.5 times the identity, so that attending to
    a token already copies it: for tasks whose answers repeat words of the question. It wants embedding_std=0.05.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = shape_of(size)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // shape.head,
        num_key_value_heads=shape.hidden // shape.head // shape.shared,
        max_position_embeddings=length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(embedding_std / config.initializer_range)
        if copy:
            _start_as_copy(model, copy)
    return model


def shape_of(size: str) -> Shape:
    """The shape of a size; capital or small letters are the same."""
    known = {name.lower(): shape for name, shape in SIZES.items()}
    if size.lower() not in known:
        near = difflib.get_close_matches(size.lower(), known, n=1)
        names = {name.lower(): name for name in SIZES}
        hint = f"Did you mean scratch:{names[near[0]]}? " if near else ""
        raise UserError(f"There is no size 'scratch:{size}'.", f"{hint}Sizes: {', '.join(SIZES)}")
    return known[size.lower()]


def _start_as_copy(model: LlamaForCausalLM, strength: float) -> None:
    import torch

    attention = model.model.layers[-1].self_attn
    if model.config.num_key_value_heads != model.config.num_attention_heads:
        raise UserError("init.copy needs as many key-value heads as heads.", "Leave copy out, or take a smaller size.")
    width = model.config.hidden_size
    turn: torch.Tensor = torch.linalg.qr(torch.randn(width, width))[0]
    attention.v_proj.weight.copy_(turn)
    attention.o_proj.weight.copy_(strength * turn.T)
