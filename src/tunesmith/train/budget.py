"""Settings that follow from model and data when the recipe leaves them out, each with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import cast

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Weights
from tunesmith.train.corpus import Rendered
from tunesmith.train.documents import Documents
from tunesmith.train.job import Computed


@dataclass
class Chosen:
    """Collects what was computed, and says each as a sentence with its reason."""

    say: Callable[[str], None]
    settings: dict[str, Computed] = field(default_factory=dict)

    def or_computed(self, name: str, given: float | None, computed: Computed) -> float:
        """The given value, or else the computed one, kept and said."""
        if given is not None:
            return given
        return cast(float, self.computed(name, computed))

    def computed(self, name: str, computed: Computed) -> float | str:
        """A computed value, kept and said."""
        self.settings[name] = computed
        shown = computed.value if isinstance(computed.value, str) else f"{computed.value:.3g}"
        self.say(f"{name} {shown} ({computed.why})")
        return computed.value

    def as_dict(self) -> dict[str, object]:
        """Plain data for the manifest."""
        return {name: asdict(setting) for name, setting in self.settings.items()}


def sft_rate(parameters: int, hidden: int, *, scratch: bool, adapter: str | None = None) -> Computed:
    """Learning rate for supervised tuning: 2e-3 from random weights at width 128, else by size, 2e-5 at a billion.

    Adapters take about ten times the rate of all weights (Thinking Machines, "LoRA Without Regret", 2025).
    """
    if scratch:
        return Computed(2e-3 * min(1.0, (128 / hidden) ** 0.5), f"from random weights, width {hidden}")
    rate = min(2e-4, max(1e-5, 2e-5 * (1e9 / parameters) ** (1 / 3)))
    return _for_adapter(Computed(rate, f"from {readable(parameters)} parameters"), adapter)


def pretrain_rate(parameters: int, hidden: int, *, scratch: bool, adapter: str | None = None) -> Computed:
    """Learning rate for next-token prediction: by the width from random weights, three times that of tuning further on.

    4e-3 up to width 128, then as one over the width (Yang et al. 2022, arXiv 2203.03466), which meets what GPT-3's
    sizes had: 6e-4 at 768, 2e-4 at 2,048 (Brown et al. 2020, table 2.1).
    """
    if scratch:
        return Computed(4e-3 * min(1.0, 128 / hidden), f"from random weights, width {hidden}")
    rate = min(6e-4, max(3e-5, 6e-5 * (1e9 / parameters) ** (1 / 3)))
    return _for_adapter(Computed(rate, f"from {readable(parameters)} parameters, going on with text"), adapter)


def dpo_rate(parameters: int, *, adapter: str | None = None) -> Computed:
    """Learning rate for preference tuning: 3e-5 at a million parameters, less with size; tenfold loses meaning."""
    rate = min(3e-5, max(5e-7, 3e-5 * (1e6 / parameters) ** (1 / 3)))
    return _for_adapter(Computed(rate, f"from {readable(parameters)} parameters, preference tuning"), adapter)


def rlhf_rate(parameters: int, *, adapter: str | None = None) -> Computed:
    """Learning rate for learning from a reward: 3e-4 at a million parameters (measured), about 1e-6 at billions."""
    rate = min(3e-4, max(5e-7, 3e-4 * (1e6 / parameters) ** (2 / 3)))
    return _for_adapter(Computed(rate, f"from {readable(parameters)} parameters, learning from a reward"), adapter)


def reward_rate(parameters: int, hidden: int, *, scratch: bool, adapter: str | None = None) -> Computed:
    """Learning rate for reward models: half that of supervised tuning, as the head is new and the pairs are few."""
    usual = sft_rate(parameters, hidden, scratch=scratch, adapter=adapter)
    return Computed(cast(float, usual.value) / 2, f"{usual.why}; half that of supervised tuning")


def _for_adapter(full: Computed, adapter: str | None) -> Computed:
    if adapter is None:
        return full
    times = ADAPTER_RATES.get(adapter, 10.0)
    return Computed(cast(float, full.value) * times, f"{full.why}; {times:g} times that for {adapter}")


# Of the rate for all weights; 10 for the others. bottleneck: 3e-4 at 7B (Hu et al. 2023, arXiv 2304.01933) is 30 times
# it; at 1M 50 times were better than 15 and 150 (bench/adapters.py --tune).
ADAPTER_RATES = {"ia3": 100.0, "prompt": 1000.0, "prefix": 100.0, "bottleneck": 30.0}


def usual_batch(rows: int, *, scratch: bool) -> Computed:
    """Rows a step: 64 from random weights; else what gives about a hundred steps an epoch, from 8 to 32."""
    if scratch:
        return Computed(64, "usual from random weights")
    power = max(3, min(5, int(rows / 100).bit_length() - 1))
    return Computed(2**power, f"from {rows:,} rows: about a hundred steps an epoch, at least 8 rows and at most 32")


def readable(parameters: int) -> str:
    """A parameter count as people say it: 926,336 is 0.93M."""
    return f"{parameters / 1e9:.2f}B" if parameters >= 1e9 else f"{parameters / 1e6:.2f}M"


def steps_of(
    steps: int | None,
    epochs: float | None,
    *,
    weights: Weights,
    size: int,
    usual: Computed,
    chosen: Chosen,
) -> int:
    """The step budget: as given, or from epochs over the rows, or from the usual number of epochs."""
    if steps is not None and epochs is not None:
        raise UserError("Both steps and epochs are given.", "Give one of them.")
    if steps is not None:
        return _positive(steps)
    a_epoch = weights.sum() / size
    wanted = epochs if epochs is not None else usual.value
    why = f"{wanted:g} epochs of {len(weights):,} rows at batch {size}" + ("" if epochs else f", {usual.why}")
    return int(chosen.or_computed("steps", None, Computed(_positive(round(wanted * a_epoch)), why)))


def _positive(steps: int) -> int:
    if steps < 1:
        raise UserError(f"{steps} training steps is too few.", "Give at least 1 step, or more epochs.")
    return steps


def measurements(steps: int) -> int:
    """Steps between two measurements: about ten in a training."""
    return max(1, -(-steps // 10))


def fingerprint_of(settings: object, *rows: Rendered | Documents) -> str:
    """Hash of settings and rendered data, so that resume state of another training is never taken up."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for one in rows:
        digest.update(one.fingerprint().encode())
    return digest.hexdigest()


def answer_budget(longest: int) -> int:
    """Tokens an answer may take when the model is asked later: a half more than the longest learnt, at least 16."""
    return max(16, longest + longest // 2)
