"""Messages to tokens and loss mask: the only renderer, so that training, evaluation and serving see the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tunesmith.models.base import Chat
from tunesmith.models.control_tokens import Hidden, control_tokens_in, controls_of, encoded, hidden_in
from tunesmith.models.conversation import Tool, chat_tools
from tunesmith.models.templates import Span, Text, Turns, prompts_of, template_hash, text_of, texts_of, turns_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import PreTrainedTokenizerFast

__all__ = ["Tokens", "control_tokens_in", "last_turn", "render", "render_all", "template_hash"]

END_OF_TURN = "<|im_end|>"
PAD = "<|pad|>"
ROLES = ("system", "user", "assistant", "tool")

# ChatML without the newline after the last turn: between turns that newline belongs to the next header, and
# `header_tokens` makes each header one token, so that a question and its answer cost four tokens of frame. Tools and
# calls are written as Hermes models do (one JSON object a line in <tools>, <tool_call> around a call).
CHAT_TEMPLATE = (
    "{%- set listed = namespace(text='') %}"
    "{%- for tool in tools or [] %}{%- set listed.text = listed.text + '\\n' + (tool | tojson) %}{%- endfor %}"
    "{%- if listed.text %}{%- set listed.text = '<tools>' + listed.text + '\\n</tools>' %}{%- endif %}"
    "{%- if listed.text and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\n' + listed.text + '<|im_end|>' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{%- set bare = loop.first and (message['role'] == 'system' or not listed.text) %}"
    "{{ ('' if bare else '\\n') + '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{% generation %}"
    "{{ message['content'] or '' }}"
    "{%- for call in message['tool_calls'] or [] %}"
    "{%- set call = call['function'] or call %}"
    "{{ ('\\n' if message['content'] or not loop.first else '') + '<tool_call>{\"name\": ' + (call['name'] | tojson)"
    " + ', \"arguments\": ' + (call['arguments'] if call['arguments'] is string else call['arguments'] | tojson)"
    " + '}</tool_call>' }}"
    "{%- endfor %}"
    "{{ '<|im_end|>' }}"
    "{% endgeneration %}"
    "{%- elif loop.first and message['role'] == 'system' and listed.text %}"
    "{{ message['content'] + ('\\n\\n' if message['content'] else '') + listed.text + '<|im_end|>' }}"
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
    tokenizer: PreTrainedTokenizerFast, messages: Chat, *, tools: Sequence[Tool] | None = None, answer: bool = True
) -> Tokens:
    """Tokens of one chat; with answer=False it ends where the assistant is to begin. See `render_all` for many."""
    return render_all(tokenizer, [messages], tools=None if tools is None else [tools], answer=answer)[0]


def render_all(
    tokenizer: PreTrainedTokenizerFast,
    chats: Iterable[Chat],
    *,
    tools: Sequence[Sequence[Tool] | None] | None = None,
    answer: bool = True,
) -> list[Tokens]:
    """Tokens of each chat, as transformers' apply_chat_template(return_assistant_tokens_mask=True) gives them.

    `tools` has one entry for each chat, None where it has none; left out, each chat has those that it brings along as
    a Conversation. Messages may be as they are stored: empty fields are left out, tool calls parsed.

    The end-of-turn token is inside the mask: a model that never learns it never stops. An assistant turn of weight 0
    is context only. A template without generation markers is masked by the difference of prefixes; one that rewrites
    earlier turns raises UserError. Text that spells a control token is encoded as text, see `control_tokens_in`.
    """
    asked = _turns(list(chats), tools)
    hidden = hidden_in(asked, controls_of(tokenizer)) if asked else {}
    texts_for = texts_of if answer else prompts_of
    texts = texts_for(tokenizer, [hidden[i].turns if i in hidden else turns for i, turns in enumerate(asked)])
    encodings = _plain(tokenizer.backend_tokenizer).encode_batch(
        [text.text for text in texts], add_special_tokens=False
    )
    found = [_tokens(encoding, text, answer) for encoding, text in zip(encodings, texts, strict=True)]
    for i, cover in hidden.items():
        found[i] = _protected(tokenizer, cover, asked[i], texts[i], encodings[i], answer)
    return found


def _turns(chats: Sequence[Chat], tools: Sequence[Sequence[Tool] | None] | None) -> list[Turns]:
    of_chats = [chat_tools(chat) for chat in chats] if tools is None else tools
    return [turns_of(chat, own, f"chat {i}") for i, (chat, own) in enumerate(zip(chats, of_chats, strict=True))]


def _plain(backend: Tokenizer) -> Tokenizer:
    """The tokenizer without what a file or an earlier call may have left in it: padding, truncation, splitting."""
    if backend.padding is not None:
        backend.no_padding()
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.encode_special_tokens:
        backend.encode_special_tokens = False
    return backend


def _tokens(encoding: Encoding, text: Text, answer: bool) -> Tokens:
    ids = encoding.ids
    return Tokens(ids, _mask(encoding.offsets, text.spans) if answer and text.spans else [0] * len(ids))


def _protected(
    tokenizer: PreTrainedTokenizerFast, cover: Hidden, asked: Turns, text: Text, encoding: Encoding, answer: bool
) -> Tokens:
    ids, offsets = encoded(tokenizer, cover, text.text, text_of(tokenizer, asked, answer=answer), encoding)
    return Tokens(ids, _mask(offsets, text.spans))


def _mask(offsets: Sequence[Span], spans: Sequence[Span]) -> list[int]:
    """1 for the tokens that share a character with a span, and for those between them."""
    mask = [0] * len(offsets)
    position = 0
    for start, end in spans:
        while position < len(offsets) and offsets[position][1] <= start:
            position += 1
        first = position
        while position < len(offsets) and offsets[position][0] < end:
            position += 1
        if start < end:
            mask[first:position] = [1] * (position - first)
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
