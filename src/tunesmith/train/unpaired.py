"""Answers with a thumb up or down instead of pairs: rows, losses and the weights of the two kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import UserError
from tunesmith.train.batches import Index, Line
from tunesmith.train.corpus import Corpus
from tunesmith.train.job import Computed, Row, Rows

if TYPE_CHECKING:
    import torch

MOST = 4 / 3  # of all desirable weight, as a multiple of the undesirable (KTO's paper: from 1 to 4/3)


@dataclass(frozen=True)
class Unpaired:
    """Rows as {messages, answer, desirable}: a pair becomes two, a chat with `desirable` one; others are left out."""

    rows: Rows

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Row]:
        """The rows, a pair's chosen answer first."""
        for row in self.rows:
            yield from _judged(row)

    def desirable(self) -> npt.NDArray[np.bool_]:
        """Which of them are good answers."""
        return np.array([row["desirable"] for row in self], dtype=np.bool_)

    def without(self) -> int:
        """How many rows have neither two answers nor a judgement of their last turn."""
        return sum(1 for row in self.rows if not any(True for _ in _judged(row)))


def _judged(row: Row) -> Iterator[Row]:
    own = {name: row[name] for name in ("id", "weight") if name in row}
    if row.get("chosen") and row.get("rejected"):
        for side, desirable in (("chosen", True), ("rejected", False)):
            yield {**own, "messages": row["messages"], "answer": row[side], "desirable": desirable}
        return
    turns = cast("Sequence[Mapping[str, str]]", row.get("messages") or ())
    if row.get("desirable") is not None and len(turns) > 1 and turns[-1]["role"] == "assistant":
        yield {**own, "messages": turns[:-1], "answer": turns[-1:], "desirable": row["desirable"]}


def balanced(
    desirable: float, undesirable: float, up: float | None, down: float | None
) -> tuple[Computed | None, Computed | None]:
    """The weights of the two kinds where `up` or `down` is not given: desirable rows weigh 1 to 4/3 times the others.

    Ethayarajh et al. 2024 (arXiv 2402.01306), eq. 8. Where neither is given, the kind that weighs too little is raised
    to the nearer end of that range.
    """
    if not desirable or not undesirable:
        kind = "undesirable" if desirable else "desirable"
        raise UserError(f"There is no {kind} answer among the rows.", "Learning from thumbs takes both up and down.")
    share = desirable * (1.0 if up is None else up) / (undesirable * (1.0 if down is None else down))
    wanted = min(max(share, 1.0), MOST)
    why = f"{desirable:,.0f} good and {undesirable:,.0f} bad answers: the good weigh {wanted:.3g} times as much in all"
    one = Computed(1.0, why)
    if up is None and (down is not None or share < 1):
        return Computed(wanted / share, why), None if down is not None else one
    if down is None:
        return None if up is not None else one, Computed(share / wanted, why)
    return None, None


@dataclass(frozen=True)
class Judged:
    """A part of a batch of B answers as model and reference see them."""

    ratios_B: torch.Tensor  # log-probability of each answer, less that under the reference
    desirable_B: torch.Tensor  # which are good
    kl: torch.Tensor  # how far the model is from the reference, over the whole batch; no gradient


def kto_loss(judged: Judged, *, beta: float) -> torch.Tensor:
    """Kahneman-Tversky optimisation: gains and losses against the mean reward (Ethayarajh et al. 2024, eq. 7), [B]."""
    import torch

    gain = beta * (judged.ratios_B - judged.kl)
    return 1 - torch.where(judged.desirable_B, gain, -gain).sigmoid()


def apo_zero_unpaired(judged: Judged, *, beta: float) -> torch.Tensor:
    """Good answers up, bad ones down, against the reference alone (D'Oosterlinck 2024, arXiv 2408.06266), [B]."""
    import torch

    rewards = (beta * judged.ratios_B).sigmoid()
    return torch.where(judged.desirable_B, 1 - rewards, rewards)


UNPAIRED_LOSSES = {"kto": kto_loss, "apo_zero_unpaired": apo_zero_unpaired}


def partners(rows: int, seed: int) -> Index:
    """For each row another one, whose answer it gets in the estimate of the KL: a cycle through all, from the seed."""
    order = np.random.default_rng((seed, rows)).permutation(rows)
    found = np.empty(rows, dtype=np.int64)
    found[order] = np.roll(order, 1)
    return found


def mismatched(corpus: Corpus, row: int, partner: int, limit: int) -> Line:
    """The prompt of one row with the answer of another, cut at `limit` tokens."""
    own, other = corpus[row], corpus[partner]
    prompt, answer = int(np.argmax(own.mask)), int(np.argmax(other.mask))
    ids = np.concatenate([own.ids[:prompt], other.ids[answer:]])[:limit]
    mask = np.concatenate([own.mask[:prompt], other.mask[answer:]])[:limit]
    return Line(ids, mask)
