"""What a model is made of, and how many operations a token costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMES = {  # of a config: ours, and what models call it
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "num_heads"),
    "head": ("head_dim",),
    "kv_heads": ("num_key_value_heads",),
    "feed_forward": ("intermediate_size", "n_inner", "ffn_dim"),
    "vocabulary": ("vocab_size",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "active": ("num_experts_per_tok",),
    "shared": ("n_shared_experts",),
    "expert": ("moe_intermediate_size",),
    "tied": ("tie_word_embeddings",),
    "kind": ("model_type",),
}
UNGATED = ("gpt2", "gpt_neo", "gpt_neox", "gptj", "gpt_bigcode", "starcoder2", "opt", "bloom", "falcon", "mpt", "phi")


@dataclass(frozen=True)
class Anatomy:
    """The sizes of a decoder that speed and memory follow from."""

    layers: int
    hidden: int
    heads: int
    head: int  # width of one attention head
    kv_heads: int
    feed_forward: int  # of one expert, where there are any
    vocabulary: int
    experts: int = 1  # feed-forwards that a layer has, those that every token visits among them
    active: int = 1  # of which a token visits so many
    tied: bool = False  # the head's matrix is the embeddings'
    gated: bool = True  # three matrices in a feed-forward, or two

    @property
    def attention(self) -> int:
        """Width of all heads together; the hidden width in most models."""
        return self.heads * self.head

    @property
    def kv(self) -> int:
        """Width of the keys, and of the values."""
        return self.kv_heads * self.head

    @property
    def body(self) -> int:
        """Weights of the layers' matrices that a token visits: attention, and feed-forwards."""
        return self._body(self.active)

    @property
    def table(self) -> int:
        """Weights of the embeddings, and of a head that has its own."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def matrices(self) -> int:
        """Weights that are multiplied with: all of the layers', and the head's."""
        return self._body(self.experts) + self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights, but for biases and the norms of single heads."""
        return self._body(self.experts) + self.table + (2 * self.layers + 1) * self.hidden

    def _body(self, experts: int) -> int:
        feed_forward = experts * (3 if self.gated else 2) * self.hidden * self.feed_forward
        router = self.hidden * self.experts if self.experts > 1 else 0
        return self.layers * (self.hidden * 2 * (self.attention + self.kv) + feed_forward + router)

    def flops(self, length: float, *, labels: float = 1.0, adapter: int | None = None) -> float:
        """Operations that training on one token takes, in rows of this many tokens of which a share are labels.

        6 for each weight, forward 2 and backward 4 (Kaplan et al. 2020, arXiv 2001.08361); with an adapter (its weights
        are given) frozen matrices need no gradient of their own: 4, and 6 for the adapter's. The head counts at labels
        only, as it is computed there only. Attention takes 6 x layers x width x length: half of a full square, as it is
        causal. Work done again for checkpointing does not count (MFU, Chowdhery et al. 2022, arXiv 2204.02311).
        """
        a_weight = 6 if adapter is None else 4
        products = a_weight * (self.body + labels * self.vocabulary * self.hidden) + 6 * (adapter or 0)
        return products + 6 * self.layers * self.attention * length

    def forward_flops(self, length: float, *, labels: float = 1.0) -> float:
        """Operations of a forward pass alone: a third of a full training's."""
        return self.flops(length, labels=labels) / 3


def anatomy_of(config: object) -> Anatomy:
    """The sizes that a model's config tells: the mapping of a config.json, or a config of transformers.

    Raises KeyError with the name of what it does not tell.
    """
    told = _told(config)
    heads, hidden = _size(told, "heads"), _size(told, "hidden")
    experts = _size(told, "experts", 1)
    shared = _size(told, "shared", 0)
    return Anatomy(
        layers=_size(told, "layers"),
        hidden=hidden,
        heads=heads,
        head=_size(told, "head", hidden // heads),
        kv_heads=_size(told, "kv_heads", heads),
        feed_forward=_size(told, "expert", 0) or _size(told, "feed_forward", 4 * hidden),
        vocabulary=_size(told, "vocabulary"),
        experts=experts + shared,
        active=(_size(told, "active", 1) if experts > 1 else 1) + shared,
        tied=told.get("tied") is not False,  # as transformers has it where a config does not say
        gated=told.get("kind") not in UNGATED,
    )


def _told(config: object) -> dict[str, object]:
    """What a config says of each of our sizes."""
    if isinstance(config, Mapping):
        inner = config.get("text_config")
        fields = {**config, **inner} if isinstance(inner, Mapping) else config
        return {name: next((fields[key] for key in keys if key in fields), None) for name, keys in NAMES.items()}
    text = config.get_text_config()  # type: ignore[attr-defined]  # transformers ships no types
    each = {name: (getattr(text, key, None) for key in keys) for name, keys in NAMES.items()}
    return {name: next((value for value in values if value is not None), None) for name, values in each.items()}


def _size(told: Mapping[str, object], name: str, usual: int | None = None) -> int:
    value = told.get(name)
    if value is None and usual is not None:
        return usual
    if value is None:
        raise KeyError(NAMES[name][0])
    return int(str(value))
