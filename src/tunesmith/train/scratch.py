"""A tokenizer and a small Llama of one's own, from random weights."""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tunesmith.core.errors import UserError
from tunesmith.costs.shapes import scratch_config
from tunesmith.models.chat import CHAT_TEMPLATE, END_OF_TURN, PAD, header_tokens

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from tokenizers.decoders import Decoder
    from tokenizers.normalizers import Normalizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


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

    torch.manual_seed(seed)
    config = LlamaConfig(
        **scratch_config(size, len(tokenizer)),
        max_position_embeddings=length,
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


def _start_as_copy(model: LlamaForCausalLM, strength: float) -> None:
    import torch

    attention = model.model.layers[-1].self_attn
    if model.config.num_key_value_heads != model.config.num_attention_heads:
        raise UserError("init.copy needs as many key-value heads as heads.", "Leave copy out, or take a smaller size.")
    width = model.config.hidden_size
    turn: torch.Tensor = torch.linalg.qr(torch.randn(width, width))[0]
    attention.v_proj.weight.copy_(turn)
    attention.o_proj.weight.copy_(strength * turn.T)
