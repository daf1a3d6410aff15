"""Messages to tokens and loss mask: the only renderer, so that training, evaluation and serving see the same tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Span = tuple[int, int]

END_OF_TURN = "<|im_end|>"
PAD = "<|pad|>"
ROLES = ("system", "user", "assistant", "tool")

# ChatML without the newline after the last turn: between turns that newline belongs to the next header, and
# `header_tokens` makes each header one token, so that a question and its answer cost four tokens of frame.
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{ ('' if loop.first else '\\n') + '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{%- else %}{{ message['content'] + '<|im_end|>' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '\\n<|im_start|>assistant\\n' }}{%- endif %}"
)


@dataclass(frozen=True)
class Tokens:
    """One rendered chat: token ids, and for each 1 where the model is to learn (the assistant's turns), else 0."""

    ids: list[int]
    mask: list[int]


def header_tokens() -> list[str]:
    """The special tokens that CHAT_TEMPLATE needs beside END_OF_TURN and PAD, for a tokenizer made from scratch."""
    firsts = [f"<|im_start|>{role}\n" for role in ROLES]
    return ["<|im_start|>", *firsts, *(f"\n{header}" for header in firsts)]


def render(
    tokenizer: PreTrainedTokenizerFast,
    messages: Chat,
    *,
    tools: Sequence[Mapping[str, object]] | None = None,
    answer: bool = True,
) -> Tokens:
    """Tokens of one chat; with answer=False it ends where the assistant is to begin. See `render_all` for many."""
    return render_all(tokenizer, [messages], tools=tools, answer=answer)[0]


def render_all(
    tokenizer: PreTrainedTokenizerFast,
    chats: Iterable[Chat],
    *,
    tools: Sequence[Mapping[str, object]] | None = None,
    answer: bool = True,
) -> list[Tokens]:
    """Tokens of each chat, as transformers' apply_chat_template(return_assistant_tokens_mask=True) gives them.

    The end-of-turn token is inside the mask: a model that never learns it never stops. A template without
    generation markers is masked by the difference of prefixes; one that rewrites earlier turns raises UserError.
    """
    texts, spans = _texts_and_spans(tokenizer, [_plain(chat) for chat in chats], tools, answer)
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    return [
        Tokens(encoding.ids, _mask(encoding.offsets, of_chat))
        for encoding, of_chat in zip(encodings, spans, strict=True)
    ]


def _plain(chat: Chat) -> list[dict[str, str]]:
    if not chat:
        raise UserError("A chat has no messages.", "Each row needs at least one message with a role and a content.")
    return [dict(message) for message in chat]


def _texts_and_spans(
    tokenizer: PreTrainedTokenizerFast,
    chats: list[list[dict[str, str]]],
    tools: Sequence[Mapping[str, object]] | None,
    answer: bool,
) -> tuple[list[str], list[list[Span]]]:
    template = tokenizer.get_chat_template(None, tools)
    marked = re.search(r"\{%-?\s*generation\s*-?%\}", template) is not None
    if not answer:
        return _jinja(tokenizer, template, chats, tools, start_answer=True)[0], [[] for _ in chats]
    if marked:
        return _jinja(tokenizer, template, chats, tools, spans=True)
    texts, _ = _jinja(tokenizer, template, chats, tools)
    return texts, [
        _spans_by_prefix(tokenizer, template, chat, text, tools) for chat, text in zip(chats, texts, strict=True)
    ]


def _jinja(
    tokenizer: PreTrainedTokenizerFast,
    template: str,
    chats: list[list[dict[str, str]]],
    tools: Sequence[Mapping[str, object]] | None,
    *,
    spans: bool = False,
    start_answer: bool = False,
) -> tuple[list[str], list[list[Span]]]:
    from transformers.utils.chat_template_utils import render_jinja_template

    texts, found = render_jinja_template(
        chats,
        tools=None if tools is None else [dict(tool) for tool in tools],
        chat_template=template,
        return_assistant_tokens_mask=spans,
        add_generation_prompt=start_answer,
        **tokenizer.special_tokens_map,
    )
    return cast("list[str]", texts), cast("list[list[Span]]", found)


def _spans_by_prefix(
    tokenizer: PreTrainedTokenizerFast,
    template: str,
    chat: list[dict[str, str]],
    text: str,
    tools: Sequence[Mapping[str, object]] | None,
) -> list[Span]:
    return [
        _span_of_turn(tokenizer, template, chat[:turn], chat[: turn + 1], text, tools)
        for turn, message in enumerate(chat)
        if message["role"] == "assistant"
    ]


def _span_of_turn(
    tokenizer: PreTrainedTokenizerFast,
    template: str,
    before: list[dict[str, str]],
    after: list[dict[str, str]],
    text: str,
    tools: Sequence[Mapping[str, object]] | None,
) -> Span:
    head = _jinja(tokenizer, template, [before], tools, start_answer=True)[0][0]
    whole = _jinja(tokenizer, template, [after], tools)[0][0]
    if not (whole.startswith(head) and text.startswith(whole)):
        raise UserError(
            "The model's chat template changes earlier turns when a later one is added, so no loss mask can be drawn.",
            "Give the template {% generation %} markers around the assistant's turn.",
        )
    # What the template adds after the end-of-turn token (often a newline) is never generated, so it is not learnt.
    end = whole.rfind(str(tokenizer.eos_token), len(head)) if tokenizer.eos_token else -1
    return len(head), (len(whole) if end < 0 else end + len(str(tokenizer.eos_token)))


def _mask(offsets: list[Span], spans: list[Span]) -> list[int]:
    mask = [0] * len(offsets)
    for start, end in spans:
        for position, (first, last) in enumerate(offsets):
            if last > start and first < end:
                mask[position] = 1
    return mask


def last_turn(mask: Sequence[int]) -> slice:
    """The positions of the last assistant turn in a mask, an empty slice where there is none."""
    ends = [i + 1 for i, (here, then) in enumerate(pairwise([*mask, 0])) if here and not then]
    if not ends:
        return slice(0, 0)
    start = ends[-1]
    while start > 0 and mask[start - 1]:
        start -= 1
    return slice(start, ends[-1])


def template_hash(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 of the chat template that the renderer uses: what trains and what serves must have the same."""
    return hashlib.sha256(cast("str", tokenizer.get_chat_template()).encode()).hexdigest()
