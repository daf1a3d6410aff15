"""Bytes that a training takes on one device, by part; the trainers' own choice of parts follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tunesmith.costs.anatomy import Anatomy
from tunesmith.costs.methods import VIRTUAL, Method, kept_numbers, trained_weights
from tunesmith.costs.peaks import GB

Precision = Literal["float32", "mixed", "bfloat16"]

CONTEXT = 0.9 * GB  # the driver, cuBLAS and cuDNN on a GPU; published figures are 0.7 to 1.5
FRAGMENTED = 0.9  # of a GPU's memory can be used: an allocator leaves gaps
CPU_ROOM = 4 * GB  # for activations on a processor
FOUR_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)  # a weight in NF4, its scales in 8 bits (Dettmers et al. 2023, 2305.14314)
LOGITS_AT_ONCE = 2**27  # more (0.5 GB in float32) are never held at once
A_LOGIT = 12  # bytes: probabilities that are kept, the gradient of what was picked, and the logits' gradient
PIECE = 256  # labels whose logits are made at once by hand (train/fast.py)
ONE_TOTAL = ("sft", "pretrain", "domain")  # trainers whose loss is one sum, and can be taken by hand
LEAST_TOKENS = 1024  # a part on a GPU should hold, or the GPU waits for launches
PACKED_TOKENS = 2**17  # and at most: more only lengthens the step


@dataclass(frozen=True)
class Setup:
    """What is trained, and how: all that memory follows from, but for the rows."""

    anatomy: Anatomy
    method: Method = field(default_factory=Method)
    precision: Precision = "float32"
    checkpointing: bool = False
    attention: str = "sdpa"  # eager writes its scores down
    longest: int = 2048  # tokens of a row
    trainer: str = "sft"
    shards: int = 1  # devices that share weights, gradients and states
    gpu: bool = True
    parameters: int | None = None  # all of them, an adapter's as well, where they were counted
    trained: int | None = None
    at_once: int | None = LOGITS_AT_ONCE  # logits; None for software that holds them all
    a_logit: float = A_LOGIT
    by_hand: bool = False  # norms, and the head with its loss, as train/fast.py computes them on a processor

    @property
    def moving(self) -> int:
        """Weights that are trained."""
        return trained_weights(self.anatomy, self.method) if self.trained is None else self.trained

    @property
    def frozen(self) -> int:
        """Weights that are not."""
        if self.method.full:
            return 0
        return self.anatomy.parameters if self.parameters is None else self.parameters - self.moving

    @property
    def size(self) -> int:
        """Bytes of a number in products."""
        return 4 if self.precision == "float32" else 2

    @property
    def weight(self) -> int:
        """Bytes of a number that is a weight of the model's own."""
        return 2 if self.precision == "bfloat16" else 4

    @property
    def moving_weight(self) -> int:
        """Bytes of a weight that is trained; an adapter's are float32 in each precision."""
        return self.weight if self.method.full else 4


@dataclass(frozen=True)
class Memory:
    """Bytes on each device at the worst moment of a step, by part."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    others: float = 0.0  # reference, reward model, keys and values of a generation, best weights on a processor
    constant: float = 0.0
    apart: float = 0.0  # of gradients and activations, what is never there at the same time

    @property
    def peak(self) -> float:
        """All of it together."""
        return sum(self.parts.values()) - self.apart

    @property
    def parts(self) -> dict[str, float]:
        """Each by its name."""
        return {name: value for name, value in vars(self).items() if name != "apart"}


def memory_of(
    setup: Setup, *, tokens: int, labels: int | None = None, parts: bool = True, best: bool = False
) -> Memory:
    """Bytes of a training whose part of a step has so many padded tokens, all of them labels unless told.

    Without `parts` a step is taken at once: gradients then grow while activations go, and only the larger of them
    counts, with those of the head, which come first. `best` counts a copy of the best weights, which lies beside the
    model on a processor.
    """
    gradients = _gradients(setup)
    activations = tokens * token_bytes(setup)
    logits = max(loss_bytes(setup, tokens if labels is None else labels), _layer_gradients(setup) * tokens)
    head = (
        setup.moving_weight * setup.anatomy.vocabulary * setup.anatomy.hidden / setup.shards if setup.method.full else 0
    )
    apart = 0.0 if parts else min(gradients - head, activations + logits)
    return Memory(
        weights=_weights(setup),
        gradients=gradients,
        optimizer=2 * setup.moving * setup.moving_weight / setup.shards,
        activations=activations,
        logits=logits,
        others=_others(setup, tokens) + (setup.moving * setup.moving_weight if best and not setup.gpu else 0),
        constant=CONTEXT if setup.gpu else 0.0,
        apart=max(0.0, apart),
    )


def _weights(setup: Setup) -> float:
    """The model's weights and the adapter's; in mixed precision with their copies, sharded with one layer whole."""
    anatomy, copy = setup.anatomy, 2 if setup.precision == "mixed" else 0
    frozen: float = setup.frozen * setup.weight
    if setup.method.kind == "qlora":  # embeddings, head and norms stay as they are: float32
        layers = anatomy.matrices - anatomy.vocabulary * anatomy.hidden
        frozen = layers * FOUR_BITS + (setup.frozen - layers) * 4
    whole = frozen + setup.moving * setup.moving_weight + anatomy.matrices * copy
    if setup.shards == 1:
        return whole
    layer = (anatomy.matrices - anatomy.vocabulary * anatomy.hidden) / anatomy.layers
    return whole / setup.shards + (anatomy.table + 2 * layer) * setup.weight  # the root, this layer and the next


def _gradients(setup: Setup) -> float:
    return setup.moving * setup.moving_weight / setup.shards


def _others(setup: Setup, tokens: int) -> float:
    """What a trainer holds beside the model it trains."""
    if setup.trainer != "rlhf":
        return 0.0
    model = setup.anatomy.parameters * setup.weight / setup.shards
    reference = model if setup.method.full else 0.0  # an adapter's base is the reference
    cache = tokens * setup.anatomy.layers * 2 * setup.anatomy.kv * setup.size
    return reference + model + cache


def token_bytes(setup: Setup) -> float:
    """Bytes that a token's activations take until the backward pass."""
    anatomy, layer = setup.anatomy, layer_bytes(setup)
    layers = anatomy.layers * layer
    if setup.checkpointing:  # what goes into each layer, and one layer's
        layers = anatomy.layers * anatomy.hidden * setup.weight + layer
    scaled = setup.weight if setup.method.full and not setup.by_hand else 0
    norm = anatomy.hidden * (4 + scaled + setup.size)
    virtual = setup.method.tokens / setup.longest if setup.method.kind == "prompt" else 0.0
    # With virtual tokens the head is computed at every place, and its gradient is there twice: cut, and whole.
    head = 2 * setup.size * anatomy.vocabulary if setup.method.kind in VIRTUAL else 0
    return (layers + norm) * (1 + virtual) + head


def layer_bytes(setup: Setup) -> float:
    """Bytes that a layer of a Llama keeps of a token, as transformers 5 computes it and torch keeps it.

    Two norms keep what comes in, in float32, and, if they are trained, what they scale (by hand, the latter alone); the
    products their inputs, one for all that share it, or under autocast over float32 weights a copy for each. Attention
    keeps queries, keys, values and what comes out, eager attention its scores as well; a gated feed-forward gate, its
    activation and up, and if it is trained their product. A test holds it to what torch keeps.
    """
    anatomy, size = setup.anatomy, setup.size
    inner = anatomy.feed_forward * anatomy.active
    kept: float = 8 * anatomy.hidden + size * (2 * anatomy.attention + 2 * anatomy.kv)
    kept += size * inner * (3 if anatomy.gated else 1)
    if setup.method.full:
        copies = (5 if anatomy.gated else 4) if setup.precision == "mixed" else 2
        scaled = 0 if setup.by_hand else 2 * setup.weight
        kept += (scaled + copies * size) * anatomy.hidden + size * inner
    else:
        kept += kept_numbers(anatomy, setup.method, size=size, longest=setup.longest)
    if setup.attention == "eager":
        kept += anatomy.heads * setup.longest * (4 + 2 * size)
    return kept


def loss_bytes(setup: Setup, labels: float) -> float:
    """Bytes of the logits of a part while the loss goes back through them; a reward model has none.

    By hand they are a piece at a time, beside the labels' hidden states and gradients, and the head's gradient twice.
    """
    if setup.trainer == "reward":
        return 0.0
    if setup.by_hand and setup.trainer in ONE_TOTAL and setup.method.kind not in VIRTUAL:
        head = setup.anatomy.vocabulary * setup.anatomy.hidden if setup.method.full else 0
        return 4 * (PIECE * setup.anatomy.vocabulary + 2 * labels * setup.anatomy.hidden + head)
    logits = labels * setup.anatomy.vocabulary
    return setup.a_logit * (logits if setup.at_once is None else min(logits, setup.at_once))


def _layer_gradients(setup: Setup) -> float:
    """Bytes of a token's gradients while a layer goes back."""
    inner = setup.anatomy.feed_forward * setup.anatomy.active
    return setup.size * (inner + 2 * setup.anatomy.hidden)


def usable(memory: float) -> float:
    """Bytes of a GPU's memory that tensors can have."""
    return (memory - CONTEXT) * FRAGMENTED


def free_bytes(setup: Setup, memory: float) -> float:
    """Bytes of a GPU left for activations, beside all that does not grow with the tokens of a part.

    Taken from the card's size and not from what is free at the moment, so that the same card gives the same parts: it
    assumes that nobody else uses the card. A whole piece of logits is counted.
    """
    held = memory_of(setup, tokens=0)
    logits = setup.a_logit * (setup.at_once or 0)
    return usable(memory) - (held.peak - held.constant) - logits


def checkpointing_needed(room: float, least: int) -> bool:
    """Whether so few tokens fit that activations are better computed again than kept; `least` must be held at once."""
    return room < max(least, LEAST_TOKENS)


def tokens_of_part(room: int, least: int) -> int:
    """The tokens of a part: a power of two below what fits, so that a little more memory changes no result."""
    below: int = 1 << (max(1, room).bit_length() - 1)
    return max(least, min(PACKED_TOKENS, below))


def precision_that_fits(parameters: int, memory: float, *, adapter: bool) -> tuple[Precision, str]:
    """The precision on a GPU of so many bytes that has bfloat16 products, and why.

    Full tuning keeps weights, gradients and AdamW's two states, at 4 bytes a parameter each in mixed precision, with a
    bfloat16 copy of the weights for the products, and at 2 in bfloat16. A third of the memory is left for activations.
    """
    if adapter:
        return "bfloat16", "the frozen weights in bfloat16, the adapter's in float32"
    needed = 18 * parameters
    if needed <= usable(memory) * 2 / 3:
        return "mixed", f"float32 weights and states, {needed / GB:.3g} GB, fit"
    return "bfloat16", f"float32 weights and states, {needed / GB:.3g} GB, do not fit: small steps are lost in rounding"
