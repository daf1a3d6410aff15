"""A tiny encoder with a vocabulary of its own, for tests of what embeddings are used for."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WORDS = ["[UNK]", "[PAD]", "a", "red", "blue", "house", "stands", "here", *(f"w{number}" for number in range(200))]


def saved_encoder(folder: Path) -> Path:
    """A folder with a BERT of one layer, drawn from a fixed seed, that knows WORDS."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, pad_token_id=1,
    )  # fmt: skip
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    BertModel(config).eval().save_pretrained(folder)
    return folder
