"""Which tokens of a rendered chat are learnt, as people and rules read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, cast

import numpy as np

from tunesmith.models.base import Chat
from tunesmith.models.chat import Tokens, render_all

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Spans = list[tuple[str, bool]]  # text, and whether it is learnt


def runs_of(tokens: Tokens) -> list[list[int]]:
    """The ids of each stretch that is learnt."""
    mask = np.array([0, *tokens.mask, 0], np.int8)
    turns = np.flatnonzero(np.diff(mask))
    return [tokens.ids[start:end] for start, end in zip(turns[::2].tolist(), turns[1::2].tolist(), strict=True)]


def answers_end(tokenizer: PreTrainedTokenizerFast, run: Sequence[int], stops: Collection[int]) -> bool:
    """Whether a stretch that is learnt has a stop token with nothing but white space behind it."""
    last = next((place for place in reversed(range(len(run))) if run[place] in stops), None)
    return last is not None and not _text(tokenizer, run[last + 1 :]).strip()


def spans_of(tokenizer: PreTrainedTokenizerFast, tokens: Tokens) -> Spans:
    """The decoded text in stretches that are learnt or not; what the model sees, control tokens and all."""
    pairs = zip(tokens.ids, tokens.mask, strict=True)
    parts = ((bool(learnt), [token for token, _ in part]) for learnt, part in groupby(pairs, key=lambda pair: pair[1]))
    return [(_text(tokenizer, ids), learnt) for learnt, ids in parts]


def parity_faults(tokenizer: PreTrainedTokenizerFast, chats: Sequence[Chat], whole: Sequence[Tokens]) -> list[int]:
    """The places of the chats that do not begin with their own prompt as a server renders it."""
    prompts = render_all(tokenizer, [chat[:-1] for chat in chats], answer=False) if chats else []
    pairs = enumerate(zip(prompts, whole, strict=True))
    return [place for place, (prompt, row) in pairs if row.ids[: len(prompt.ids)] != prompt.ids]


def control_pattern(tokens: Iterable[str]) -> Callable[[str], set[str]]:
    """What finds the texts of control tokens in a text."""
    known = sorted({token for token in tokens if token.strip()}, key=lambda token: (-len(token), token))
    if not known:
        return lambda _: set()
    pattern = re.compile("|".join(map(re.escape, known)))
    return lambda text: set(pattern.findall(text))


def _text(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> str:
    return cast("str", tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)) if ids else ""
