"""What every room sees of a model: four verbs, and a list of those it can do; what reads texts; what judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = Mapping[str, Any]  # role and content are text; tool_calls is a list, see conversation.py
Chat = Sequence[Message]


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. Temperature 0 is greedy; None leaves the choice to the model's own decoding settings."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """One generated answer, the tokens it took, and why it ended: "stop" or "length"."""

    text: str
    prompt_tokens: int = 0
    answer_tokens: int = 0
    finish: str = "stop"


@dataclass(frozen=True)
class TokenLogprobs:
    """Natural-log probabilities of the assistant's tokens of one chat, in order."""

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Likelihood:
    """How likely a model finds a text: the negative log-likelihood of its tokens in nats, and how large it is."""

    nats: float
    tokens: int
    bytes: int  # in UTF-8, whatever the tokenizer


class Reader(Protocol):
    """What says how likely texts are: every model on this machine."""

    def likelihoods(self, texts: Sequence[str]) -> list[Likelihood]:
        """How likely each text is, in order."""


class Judge(Protocol):
    """What says how good answers are: a reward model, or an arm around a rule."""

    def of_chats(self, chats: Sequence[Chat]) -> list[float]:
        """The reward of the last turn of each chat: higher is better."""


class Model(Protocol):
    """A local model, an adapter on a base, an endpoint, an arm around a model, or a plain function."""

    @property
    def name(self) -> str:
        """The name under which its numbers are reported."""

    @property
    def can(self) -> frozenset[str]:
        """What it offers, of generate, logprobs, embed, score."""

    def generate(self, chats: Sequence[Chat], sampling: Sampling) -> list[Answer]:
        """One answer for each chat, in order."""

    def logprobs(self, chats: Sequence[Chat]) -> list[TokenLogprobs]:
        """The log-probabilities of the last assistant turn of each chat."""
