"""Small causal models that are trained on some texts by a plain loop, so that it is known what they have seen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 512
BATCH = 16
LEARNING_RATE = 3e-3


def save_model(folder: Path, every: Sequence[str], members: Sequence[str], *, epochs: int, seed: int) -> str:
    """A Llama of 0.15 M weights trained on the members; its tokenizer is made from every text, so it favours none."""
    tokenizer = _tokenizer(every)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=256,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    _train(model, [tokenizer(text)["input_ids"] for text in members], epochs, seed)
    model.eval().save_pretrained(folder)
    return str(folder)


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    pieces = Tokenizer(BPE())
    pieces.pre_tokenizer, pieces.decoder = ByteLevel(add_prefix_space=False), ByteDecoder()
    alphabet = ByteLevel.alphabet()
    pieces.train_from_iterator(
        texts,
        BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=["<pad>"], show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>")


def _train(model: LlamaForCausalLM, rows: Sequence[list[int]], epochs: int, seed: int) -> None:
    draw = random.Random(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        order = draw.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), BATCH):
            batch = [rows[number] for number in order[start : start + BATCH]]
            width = max(map(len, batch))
            ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in batch])
            labels = torch.tensor([[*row, *[-100] * (width - len(row))] for row in batch])
            optimiser.zero_grad()
            model(input_ids=ids, attention_mask=(labels >= 0).long(), labels=labels).loss.backward()
            optimiser.step()


def chunks_of(text: str, *, size: int, count: int, seed: int) -> list[str]:
    """Pieces of a text, of one size, in an order drawn from the seed, so that halves of them differ in nothing."""
    pieces = [text[start : start + size] for start in range(0, len(text) - size, size)]
    return random.Random(seed).sample(pieces, count)


def generated(*, count: int, seed: int) -> list[str]:
    """Sentences of random words, all from one distribution."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("aeiounrstlm", k=draw.randint(2, 7))) for _ in range(400)]
    return [" ".join(draw.choices(words, k=40)) for _ in range(count)]
