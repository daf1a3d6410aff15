"""What a pre-flight knows of rows: their tokens, their faults, and what they have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from tunesmith.models.base import Chat
from tunesmith.train.job import Learns

BARS = 30
CLOSING = (".", "!", "?", "…", ":", ";", ")", "]", "}", '"', "'", "”", "»", "`", "。", "！", "？")
SYSTEM, ANSWERED, JSON = "a system turn", "an answer at their end", "a JSON answer"
SPACE, CLOSED = "space around the answer", "an answer that ends like a sentence"


@dataclass(frozen=True)
class Examined:
    """What was measured of the rows of one train step; plain data, so that it can be kept as JSON."""

    rows: int
    limit: int  # tokens a row may have, or a window of documents
    weight: float  # what an epoch draws: the sum of the rows' weights; of documents, tokens
    tokens: int  # of the rows that fit
    trained: int  # of the tokens
    longest: int
    quantiles: Mapping[str, int]  # p50, p95: tokens of a row
    histogram: Mapping[str, list[float]]  # edges and counts of the tokens of a row
    too_long: int
    unanswered: int  # rows without a token to learn, such as documents without text
    unstopped: int  # rows in which an answer ends without a stop token that is learnt
    last: str  # the token that most answers end with
    stops: Sequence[str]
    eos: str | None
    pad: str | None
    template: str  # SHA-256
    unequal_prompts: int  # of `compared` rows: the prompt as it is served is not how the row begins
    compared: int
    controls: Mapping[str, int]  # control token -> texts that hold it
    controlled: int  # rows with one
    copies: int  # rows that repeat an earlier one
    pairs: int
    equal_pairs: int
    longer_chosen: int
    traits: Mapping[str, int]  # what rows may have in common -> how many have it
    leaked: Mapping[str, int]  # part that is held out -> questions of it that are learnt
    faulty: Mapping[str, list[str]] = field(default_factory=dict)  # fault -> ids of some rows
    left_out: Sequence[Mapping[str, object]] = ()
    examples: Sequence[Mapping[str, object]] = ()
    learns: Learns = "chats"

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def traits_of(chat: Chat) -> Iterator[str]:
    """What a row has that others may have too; rows of one format have the same."""
    answer = chat[-1]["content"] or ""
    if any(turn["role"] == "system" for turn in chat):
        yield SYSTEM
    if chat[-1]["role"] == "assistant":
        yield ANSWERED
    if answer != answer.strip():
        yield SPACE
    if _is_json(answer):
        yield JSON
    if answer.rstrip().endswith(CLOSING):
        yield CLOSED


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def histogram_of(lengths: npt.NDArray[np.int64], limit: int) -> dict[str, list[float]]:
    """Rows by their tokens, up to the limit where that is not far beyond the longest."""
    longest = int(lengths.max())
    end = limit if longest <= limit <= 2 * longest else longest
    counts, edges = np.histogram(lengths, bins=min(BARS, end + 1), range=(0, end + 1))
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": [int(count) for count in counts]}


def quantiles_of(lengths: npt.NDArray[np.int64]) -> dict[str, int]:
    """The median and the 95th percentile."""
    return {name: int(np.quantile(lengths, part)) for name, part in (("p50", 0.5), ("p95", 0.95))}
