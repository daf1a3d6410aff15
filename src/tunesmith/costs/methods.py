"""Which weights each method trains, and what it keeps of a token for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.core.errors import UserError
from tunesmith.costs.anatomy import Anatomy
from tunesmith.costs.names import nearest

FULL = "full"
LOW_RANK = ("lora", "rslora", "dora", "qlora")
VIRTUAL = ("prefix", "prompt")
METHODS = (FULL, *LOW_RANK, "ia3", *VIRTUAL, "bottleneck")
USUAL_RANK = {"rslora": 64}  # as train/adapters.py has them
RANK, TOKENS, REDUCTION = 16, 20, 16
PLACES = {"houlsby": 2, "pfeiffer": 1}  # bottlenecks a layer (arXiv 1902.00751, 2005.00247)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Method:
    """A way to train: all weights, or an adapter with its options."""

    kind: str = FULL
    rank: int = RANK
    targets: tuple[str, ...] = PROJECTIONS  # that low-rank updates stand on
    tokens: int = TOKENS  # virtual ones, of prefix and prompt
    reduction: int = REDUCTION  # of a bottleneck: the hidden width over its units
    places: int = PLACES["houlsby"]

    @property
    def full(self) -> bool:
        """Whether all weights are trained."""
        return self.kind == FULL

    def units(self, hidden: int) -> int:
        """How wide a bottleneck is."""
        return max(1, hidden // self.reduction)

    def on(self, target: str) -> bool:
        """Whether a projection has a low-rank update."""
        return self.kind in LOW_RANK and target in self.targets


def method_of(kind: str | None, options: Mapping[str, object] | None = None) -> Method:
    """The method of this name, with what a recipe says of it; UserError with the nearest name if there is none."""
    kind = kind or FULL
    if kind not in METHODS:
        raise UserError(f"there is no method {kind!r}.", nearest(kind, METHODS))
    given = options or {}
    targets = given.get("targets")
    named = [str(each) for each in targets if each in PROJECTIONS] if isinstance(targets, Sequence) else []
    return Method(
        kind,
        rank=int(str(given.get("rank") or USUAL_RANK.get(kind, RANK))),
        targets=tuple(named) or PROJECTIONS,  # those of another architecture stand for all of its layers
        tokens=int(str(given.get("tokens") or TOKENS)),
        reduction=int(str(given.get("reduction") or REDUCTION)),
        places=PLACES[str(given.get("places") or "houlsby")],
    )


def widths(anatomy: Anatomy) -> dict[str, tuple[int, int]]:
    """Numbers in and out of each projection of a layer."""
    hidden, attention, kv, inner = anatomy.hidden, anatomy.attention, anatomy.kv, anatomy.feed_forward * anatomy.active
    found = {
        "q_proj": (hidden, attention),
        "k_proj": (hidden, kv),
        "v_proj": (hidden, kv),
        "o_proj": (attention, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
    return found if anatomy.gated else {name: found[name] for name in found if name != "gate_proj"}


def trained_weights(anatomy: Anatomy, method: Method) -> int:
    """How many weights move; those of an adapter stand beside the model's own."""
    if method.full:
        return anatomy.parameters
    if method.kind == "prompt":
        return method.tokens * anatomy.hidden
    return anatomy.layers * _a_layer(anatomy, method)


def _a_layer(anatomy: Anatomy, method: Method) -> int:
    if method.kind == "prefix":
        return method.tokens * 2 * anatomy.kv
    if method.kind == "ia3":
        return 2 * anatomy.kv + anatomy.feed_forward
    if method.kind == "bottleneck":
        units = method.units(anatomy.hidden)
        return method.places * (2 * anatomy.hidden * units + units + anatomy.hidden)
    each = [pair for name, pair in widths(anatomy).items() if method.on(name)]
    lengths = sum(out for _, out in each) if method.kind == "dora" else 0
    return sum(method.rank * (inside + out) for inside, out in each) + lengths


def kept_numbers(anatomy: Anatomy, method: Method, *, size: int, longest: int) -> float:
    """Bytes that a method keeps of a token in a layer for its own weights, beside what frozen layers keep.

    `size` is that of the products' numbers; below 4, each low-rank update casts its input for itself.
    """
    inside = widths(anatomy)
    if method.kind in LOW_RANK:
        on = [name for name in inside if method.on(name)]
        shared = [
            4 * anatomy.hidden * any(name in on for name in group) for group in (PROJECTIONS[:3], PROJECTIONS[4:6])
        ]
        own = sum(size * inside[name][0] for name in on)
        inputs = sum(shared) + 4 * inside["down_proj"][0] * ("down_proj" in on) if size == 4 else own
        lengths = 2 * size * sum(inside[name][1] for name in on) if method.kind == "dora" else 0
        return inputs + size * method.rank * len(on) + lengths
    if method.kind == "ia3":
        return 4 * anatomy.feed_forward * anatomy.active + 2 * size * anatomy.kv
    if method.kind == "bottleneck":
        return method.places * size * (anatomy.hidden + 2 * method.units(anatomy.hidden))
    if method.kind == "prefix":  # keys and values with those before them, for each head, and a mask
        longer = longest + method.tokens
        return size * (2 * anatomy.attention * longer / longest - 2 * anatomy.kv + longer)
    return 0.0
