"""Whether a trained adapter does anything: its logits beside those of its base, on a few rows it learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tunesmith.core.errors import UserError
from tunesmith.models.adapter_folder import fingerprint
from tunesmith.train.batches import Line, collate
from tunesmith.train.corpus import Rendered
from tunesmith.train.devices import here
from tunesmith.train.losses import label_logits

if TYPE_CHECKING:
    import torch

    from tunesmith.models.chat import Tokens
    from tunesmith.train.start import Start

ROWS = 8
LEAST = 1e-6  # of the largest logit: what is below it is rounding


def adapter_facts(start: Start, learnt: Rendered, *, moved: bool = True) -> dict[str, object] | None:
    """What the manifest keeps of an adapter, its effect on logits told; None where none was trained.

    Raises UserError where the outputs with the adapter are those of the base, although its weights `moved`: where the
    start was kept they did not.
    """
    if start.adapted is None or start.base is None or not here().is_main:
        return None
    return facts_of_rows(start, learnt.sides[0].rows(np.arange(min(ROWS, len(learnt)))), moved=moved)


def facts_of_rows(start: Start, rows: Sequence[Tokens | Line], *, moved: bool = True) -> dict[str, object]:
    """The same of an adapter that was trained, told on these rows."""
    assert start.adapted is not None
    assert start.base is not None
    effect, largest = _effect(start, rows)
    if moved and not effect > LEAST * largest:
        raise UserError(
            f"The {start.adapted} adapter is not active: with and without it the outputs are the same.",
            "It did not move from where it began: raise learning_rate or steps.",
        )
    active = "active" if moved else "as it was at the start"
    start.chosen.say(
        f"the {start.adapted} adapter is {active}: logits up to {effect:.3g} from the base's, of at most {largest:.3g}"
    )
    return {"kind": start.adapted, "moved": effect, "fingerprint": fingerprint(start.base)}


def _effect(start: Start, rows: Sequence[Tokens | Line]) -> tuple[float, float]:
    """The largest difference between logits with and without the adapter, and the base's largest logit."""
    import torch

    batch = collate(rows, pad=start.pad, device=start.device.name)
    model = start.model

    def logits() -> torch.Tensor:
        with start.device.autocast():
            return label_logits(model, batch)[0]

    model.eval()
    with torch.no_grad():
        adapted = logits()
        with cast("Any", model).disable_adapter():
            plain = logits()
    model.train()
    return (adapted - plain).abs().max().item(), plain.abs().max().item()
