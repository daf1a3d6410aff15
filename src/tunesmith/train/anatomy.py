"""What a model is made of, and what a token costs it: products to compute and bytes to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.train.batches import Index

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Anatomy:
    """The sizes of a decoder that speed and memory follow from."""

    layers: int
    hidden: int
    heads: int
    head: int  # width of one attention head
    kv_heads: int
    feed_forward: int
    vocabulary: int
    experts: bool = False  # of which a token visits only some

    @property
    def body(self) -> int:
        """Weights of the layers' matrices: attention and a gated feed-forward."""
        attention = self.hidden * self.head * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.feed_forward)

    def flops(self, length: float, *, labels: float = 1.0, adapter: int | None = None) -> float:
        """Operations that training on one token takes, in rows of this many tokens of which a share are labels.

        6 for each weight, forward 2 and backward 4 (Kaplan et al. 2020, arXiv 2001.08361); with an adapter (its weights
        are given) frozen matrices need no gradient of their own: 4, and 6 for the adapter's. The head counts at labels
        only, as it is computed there only. Attention takes 6 x layers x width x length: half of a full square, as it is
        causal. Work done again for checkpointing does not count (MFU, Chowdhery et al. 2022, arXiv 2204.02311).
        """
        a_weight = 6 if adapter is None else 4
        products = a_weight * (self.body + labels * self.vocabulary * self.hidden) + 6 * (adapter or 0)
        return products + 6 * self.layers * self.heads * self.head * length

    def kept_bytes(self, *, size: int, attention: str, longest: int, checkpointing: bool) -> float:
        """Bytes that a token's activations take until the backward pass, of numbers of `size` bytes.

        A layer keeps 12 widths, 4 of keys and values and 8 of the feed-forward, in bytes at 2 a number, and 16 widths
        of the norms' float32 copies; attention that writes its scores down keeps them for each head.
        """
        kv = self.kv_heads * self.head
        layer = (12 * self.hidden + 4 * kv + 8 * self.feed_forward) * size / 2 + 16 * self.hidden
        if attention == "eager":
            layer += self.heads * longest * (4 + 2 * size)
        if checkpointing:
            return self.layers * self.hidden * size + layer
        return self.layers * layer


def anatomy_of(config: PretrainedConfig) -> Anatomy:
    """The sizes that a model's config tells."""
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    hidden = int(text.hidden_size)
    return Anatomy(
        layers=int(text.num_hidden_layers),
        hidden=hidden,
        heads=heads,
        head=int(getattr(text, "head_dim", None) or hidden // heads),
        kv_heads=int(getattr(text, "num_key_value_heads", None) or heads),
        feed_forward=int(getattr(text, "intermediate_size", None) or 4 * hidden),
        vocabulary=int(text.vocab_size),
        experts=getattr(text, "num_experts_per_tok", None) is not None,
    )


def mean_length(lengths: Index) -> float:
    """The length of the row that a token stands in, on average; the cost of attention follows from it."""
    return float((lengths.astype(float) ** 2).sum() / max(1.0, float(lengths.sum())))
