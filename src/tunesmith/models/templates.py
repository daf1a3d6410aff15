"""Chat templates: the text that one makes of a conversation, and where in that text the assistant speaks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import canonical_json
from tunesmith.models.base import Chat
from tunesmith.models.conversation import Tool, message_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Span = tuple[int, int]
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Turns:
    """One conversation as a template takes it, and which of its assistant turns are learnt, in their order."""

    messages: list[dict[str, object]]
    tools: list[Tool] | None
    learnt: tuple[bool, ...]


@dataclass(frozen=True)
class Text:
    """A rendered conversation and the spans of characters that are learnt."""

    text: str
    spans: list[Span]


def turns_of(chat: Chat, tools: Sequence[Tool] | None = None, where: str = "chat") -> Turns:
    """A chat in Turns: without empty fields and weights; raises UserError for a chat without messages."""
    messages = [message_of(message, f"{where}: messages[{number}]") for number, message in enumerate(chat)]
    if not messages:
        raise UserError("A chat has no messages.", "Each row needs at least one message with a role and a content.")
    weights = [message.pop("weight", 1) for message in messages]
    learnt = (bool(weight) for message, weight in zip(messages, weights, strict=True) if _is_answer(message))
    return Turns(messages, list(tools) if tools else None, tuple(learnt))


def template_of(tokenizer: PreTrainedTokenizerFast, tools: object = None) -> str:
    """The Jinja source that renders a conversation with these tools, or with none."""
    if not tokenizer.chat_template:
        raise UserError("The tokenizer has no chat template.", "Start from an instruction-tuned model.")
    return cast("str", tokenizer.get_chat_template(None, tools or None))


def template_hash(tokenizer: PreTrainedTokenizerFast) -> str:
    """SHA-256 of the chat template's UTF-8 bytes in hexadecimal digits; of several by name, of their canonical JSON."""
    template = tokenizer.chat_template
    source = template_of(tokenizer) if not isinstance(template, dict) else canonical_json(template)
    return hashlib.sha256(source.encode()).hexdigest()


def text_of(tokenizer: PreTrainedTokenizerFast, turns: Turns, *, answer: bool) -> str:
    """The text of one conversation, whole or up to where the assistant is to begin."""
    return _jinja(tokenizer, [turns], start_answer=not answer)[0][0]


def prompts_of(tokenizer: PreTrainedTokenizerFast, asked: Sequence[Turns]) -> list[Text]:
    """Texts that end where the assistant is to begin."""
    return [Text(text, []) for text, _ in _jinja(tokenizer, asked, start_answer=True)]


def texts_of(tokenizer: PreTrainedTokenizerFast, asked: Sequence[Turns]) -> list[Text]:
    """Texts of whole conversations, with the spans of the assistant's turns that are learnt.

    Without generation markers in the template a span is the difference of two prefixes; a template that rewrites
    earlier turns raises UserError.
    """
    rendered = _jinja(tokenizer, asked, spans=True)
    return [
        Text(text, _by_prefix(tokenizer, turns, text) if spans is None else _marked(turns, spans))
        for turns, (text, spans) in zip(asked, rendered, strict=True)
    ]


def _is_answer(message: Mapping[str, object]) -> bool:
    return message["role"] == "assistant"


def _jinja(
    tokenizer: PreTrainedTokenizerFast, asked: Sequence[Turns], *, spans: bool = False, start_answer: bool = False
) -> list[tuple[str, list[Span] | None]]:
    """Texts, and if they are asked for the spans of a template that has generation markers."""
    from transformers.utils.chat_template_utils import render_jinja_template

    found: list[tuple[str, list[Span] | None]] = [("", None)] * len(asked)
    special = tokenizer.special_tokens_map
    for indices in _same_tools(asked):
        tools = asked[indices[0]].tools
        template = template_of(tokenizer, tools)
        marked = spans and GENERATION.search(template) is not None
        texts, where = render_jinja_template(
            [asked[index].messages for index in indices],
            tools=tools,
            chat_template=template,
            return_assistant_tokens_mask=marked,
            add_generation_prompt=start_answer,
            **special,
        )
        for index, text, of_chat in zip(indices, texts, where if marked else [None] * len(texts), strict=True):
            found[index] = (text, of_chat)
    return found


def _same_tools(asked: Sequence[Turns]) -> Iterator[list[int]]:
    """Conversations without tools together, each of the others by itself: a call renders with one set of tools."""
    plain = [index for index, turns in enumerate(asked) if turns.tools is None]
    if plain:
        yield plain
    yield from ([index] for index, turns in enumerate(asked) if turns.tools is not None)


def _marked(turns: Turns, spans: list[Span]) -> list[Span]:
    if all(turns.learnt):
        return spans
    if len(spans) != len(turns.learnt):
        raise UserError(
            f"The chat template marks {len(spans)} generations in {len(turns.learnt)} assistant turns, so none of "
            "them can be left out by weight 0.",
            "Give the template one pair of {% generation %} markers for each assistant turn.",
        )
    return [span for span, learnt in zip(spans, turns.learnt, strict=True) if learnt]


def _by_prefix(tokenizer: PreTrainedTokenizerFast, turns: Turns, text: str) -> list[Span]:
    ends = [index + 1 for index, message in enumerate(turns.messages) if _is_answer(message)]
    learnt = [end for end, wanted in zip(ends, turns.learnt, strict=True) if wanted]
    heads = prompts_of(tokenizer, [Turns(turns.messages[: end - 1], turns.tools, ()) for end in learnt])
    wholes = _jinja(tokenizer, [Turns(turns.messages[:end], turns.tools, ()) for end in learnt])
    eos = str(tokenizer.eos_token or "")
    return [_span_of_turn(head.text, whole, text, eos) for head, (whole, _) in zip(heads, wholes, strict=True)]


def _span_of_turn(head: str, whole: str, text: str, eos: str) -> Span:
    """`head` ends where the assistant begins, `whole` where its turn is over."""
    if not (whole.startswith(head) and text.startswith(whole)):
        raise UserError(
            "The model's chat template changes earlier turns when a later one is added, so no loss mask can be drawn.",
            "Give the template {% generation %} markers around the assistant's turn.",
        )
    # What the template adds after the end-of-turn token (often a newline) is never generated, so it is not learnt.
    end = whole.rfind(eos, len(head)) if eos else -1
    return len(head), (len(whole) if end < 0 else end + len(eos))
