"""When pre-training is sensible: four conditions, each with its source, and what is known held against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["met", "not met", "unknown"]

UNIQUE_TOKENS = 10e9
BUDGET = 100e6  # USD
MONTHS = 6.0
SOURCES = {
    "need": "the guide, 'When to pre-train'",
    "unique tokens": "the guide; models of 2024 and 2025 saw 11T to 15T (SmolLM3, Llama 3), four passes over the same "
    "text are about as good as new text (Muennighoff et al. 2023, arXiv 2305.16264)",
    "budget": "the guide, right at frontier scale: Llama 3.1 405B took 30.84M H100 hours (model card), SmolLM3 3B 220K "
    "(blog), nanochat's GPT-2 grade $73 (leaderboard)",
    "time": "the guide, right at frontier scale; a small model takes days or weeks",
}


@dataclass(frozen=True)
class Condition:
    """One condition of pre-training, and whether it is met."""

    name: str
    asks: str
    known: str
    state: State
    source: str


@dataclass(frozen=True)
class Sense:
    """The conditions as they stand, and what to do, in a sentence."""

    conditions: tuple[Condition, ...]
    advice: str

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return {"conditions": [vars(each) for each in self.conditions], "advice": self.advice}


def sensible(
    *,
    unique_tokens: float | None = None,
    money: float | None = None,
    months: float | None = None,
    own_architecture: bool | None = None,
) -> Sense:
    """The conditions of pre-training, with what is known of tokens, budget (USD), time and need; None is not known.

    The guide's numbers, 100 million dollars and six months, are right at frontier scale only: the final run of Llama
    3.1 405B took 30.84 million H100 hours. A small model of one's own takes far less: SmolLM3 3B about 220,000 H100
    hours, OLMo 3 7B 234,000, nanochat $73 for a model of GPT-2's grade. So budget and time decide what can be trained,
    while a need that no open model meets, and tokens that no other model has seen, decide whether it makes sense.
    """
    need: State = "unknown" if own_architecture is None else "met" if own_architecture else "not met"
    conditions = (
        Condition(
            "need",
            "a new architecture, or a closed ecosystem that no open model may enter",
            {"met": "said so", "not met": "an open model will do", "unknown": "not said"}[need],
            need,
            SOURCES["need"],
        ),
        _least("unique tokens", f"{_big(UNIQUE_TOKENS)} or more of the domain", unique_tokens, UNIQUE_TOKENS),
        _least("budget", f"${_big(BUDGET)} or more at frontier scale; small models take less", money, BUDGET, unit="$"),
        _least("time", f"{MONTHS:g} months or more at frontier scale", months, MONTHS, after=" months"),
    )
    return Sense(conditions, _advice({each.name: each.state for each in conditions}))


def _least(name: str, asks: str, value: float | None, least: float, *, unit: str = "", after: str = "") -> Condition:
    known = "not known" if value is None else f"{unit}{_big(value)}{after}"
    state: State = "unknown" if value is None else "met" if value >= least else "not met"
    return Condition(name, asks, known, state, SOURCES[name])


def _advice(states: dict[str, State]) -> str:
    if states["unique tokens"] == "not met" or states["need"] == "not met":
        why = "there are too few unique tokens" if states["unique tokens"] == "not met" else "an open model will do"
        return f"Do not pre-train: {why}; continue the pre-training of an open model (domain), or fine-tune one."
    if "unknown" in (states["need"], states["unique tokens"]):
        return "Almost never sensible: first say what no open model can do, and count the unique tokens."
    if "not met" in (states["budget"], states["time"]):
        return "Sensible for a small model only: budget or time are below what a frontier model takes."
    return "Sensible as far as this is known; train a small model of the same recipe first, and compare."


def _big(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}" if value >= 0.01 else "less than 0.01"
