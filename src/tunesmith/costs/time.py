"""Operations that a training takes, and hours from them."""

from __future__ import annotations

from dataclasses import dataclass

from tunesmith.costs.anatomy import Anatomy
from tunesmith.costs.methods import VIRTUAL, Method, trained_weights

# The share of the peak that goes into the model (MFU), frozen before the `new` runs of published.yaml were added.
MFU = {"A100": 0.40, "H100": 0.35}
OTHERS = 0.35  # a guess
LEAST, MOST = 0.25, 0.50
FOUR_BIT_TIMES = 1.4  # of LoRA's time; LitGPT's table has 1.3 to 1.5 (weights are unpacked for each product)
BACKWARD = 2  # forward passes


@dataclass(frozen=True)
class Range:
    """What is likely, between a low and a high value."""

    low: float
    likely: float
    high: float

    def times(self, other: Range) -> Range:
        """The product, each with each."""
        return Range(self.low * other.low, self.likely * other.likely, self.high * other.high)

    def as_json(self) -> dict[str, float]:
        """Plain data."""
        return vars(self)


def prior(gpu: str) -> tuple[float, str]:
    """The likely MFU on a GPU, and what it rests on."""
    family = next((name for name in MFU if gpu.startswith(name)), None)
    if family is None:
        return OTHERS, "a guess: no published run on this GPU stands behind it"
    return MFU[family], f"of published runs on {family} (docs/costs.md)"


@dataclass(frozen=True)
class Passes:
    """How often the model is gone through for a token of the data, by a trainer."""

    trained: float = 1.0  # forward and backward
    looked: float = 0.0  # forward alone, in each epoch
    once: float = 0.0  # forward alone, before the first step
    told: str = ""


PASSES = {
    "sft": Passes(),
    "pretrain": Passes(),
    "domain": Passes(),
    "reward": Passes(told="both answers of a pair are gone through"),
    "dpo": Passes(once=1.0, told="both answers of a pair, and the reference once for each"),
    "kto": Passes(looked=1.0, once=2.0, told="each answer, one to another prompt for the KL, and the reference once"),
    "rlhf": Passes(looked=3.0, told="generation, reference and reward model once each; a generation is bound by memory "
                   "bandwidth and can take several times as long as its operations say"),
}  # fmt: skip
ALL_LABELS = ("pretrain", "domain")


def operations(
    anatomy: Anatomy,
    method: Method,
    *,
    trainer: str,
    tokens: float,
    epochs: float,
    length: float,
    labels: float = 1.0,
    checkpointing: bool = False,
) -> float:
    """Operations of a training on so many tokens an epoch, in rows of this length of which a share are labels.

    Work that checkpointing does again is counted, as it takes time. Tokens are those of all answers that are gone
    through: of a pair both.
    """
    passes = PASSES[trainer]
    adapter = None if method.full else trained_weights(anatomy, method)
    longer = 1 + (method.tokens / length if method.kind in VIRTUAL else 0.0)
    forward = anatomy.forward_flops(length, labels=labels)
    a_token = passes.trained * (anatomy.flops(length, labels=labels, adapter=adapter) + checkpointing * forward)
    if method.kind == "qlora":
        a_token *= FOUR_BIT_TIMES
    return tokens * longer * (epochs * (a_token + passes.looked * forward) + passes.once * forward)


def hours_of(work: float, peak: float, *, devices: int, gpu: str) -> Range:
    """Hours on so many devices of this peak, by the likely MFU and by the most and the least."""
    return Range(*(work / (devices * peak * mfu) / 3600 for mfu in (MOST, prior(gpu)[0], LEAST)))
