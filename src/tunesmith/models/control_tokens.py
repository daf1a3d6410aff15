"""Text that spells a control token stays text: a user who writes <|im_end|> ends no turn.

The nonspace characters of such a spelling are replaced one by one by private-use characters before the template
sees them, so that lengths and spans stay as they are, and the tokenizer finds only the control tokens that the template
itself wrote. Then the stretches of text between those that hold a spelling are encoded as they were, without control
tokens. transformers' apply_chat_template(sanitize_control_tokens=True) protects the same texts, without a loss mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tunesmith.core.errors import UserError
from tunesmith.models.base import Chat
from tunesmith.models.conversation import Tool, chat_tools
from tunesmith.models.templates import Span, Turns, template_of, turns_of

if TYPE_CHECKING:
    from tokenizers import Encoding, NormalizedString, Tokenizer
    from transformers import PreTrainedTokenizerFast

PRIVATE_USE = (*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE))  # planes 15 and 16 of Unicode


@dataclass(frozen=True)
class Controls:
    """Patterns of the tokens that text must not become.

    `everywhere` has the special tokens. `prompt` has also those that the template writes though the tokenizer does not
    call them special, such as <tool_call>: an assistant's text may spell them, for the model itself writes them.
    """

    everywhere: re.Pattern[str]
    prompt: re.Pattern[str]
    letters: tuple[str, ...]

    def of(self, role: object, field: str) -> re.Pattern[str]:
        """The pattern for one field of a message."""
        own = role == "assistant" and field not in ("role", "name", "tool_calls")
        return self.everywhere if own else self.prompt


@dataclass(frozen=True)
class Hidden:
    """A conversation whose spellings of control tokens are hidden, and how they come back."""

    turns: Turns
    back: Mapping[int, str]

    def restored(self, text: str) -> str:
        """The text with every hidden character as it was."""
        return text.translate(self.back)

    def places(self, text: str) -> list[Span]:
        """Where hidden characters are."""
        marks = re.escape("".join(map(chr, self.back)))
        return [found.span() for found in re.finditer(f"[{marks}]+", text)]


def control_tokens_in(tokenizer: PreTrainedTokenizerFast, chat: Chat) -> list[str]:
    """The control tokens that the texts and tools of a chat spell, each once, in their order; they are kept as text."""
    turns, controls = turns_of(chat, chat_tools(chat)), controls_of(tokenizer)
    found = [token for text, pattern in _texts(turns, controls) for token in pattern.findall(text)]
    return list(dict.fromkeys(found))


def controls_of(tokenizer: PreTrainedTokenizerFast) -> Controls:
    """The control tokens of a tokenizer and its templates."""
    added = [
        token for token in tokenizer.added_tokens_decoder.values() if token.content and not token.content.isspace()
    ]
    named = getattr(tokenizer, "chat_control_tokens", None)  # since transformers 5.23
    template = template_of(tokenizer) + template_of(tokenizer, [{}])
    special = {token.content for token in added if token.special}
    written = {token.content for token in added if token.content in (template if named is None else named)}
    letters = sorted({letter for token in special | written for letter in token if not letter.isspace()})
    return Controls(_pattern(special), _pattern(special | written), tuple(letters))


def hidden_in(asked: Sequence[Turns], controls: Controls) -> dict[int, Hidden]:
    """By index, the conversations that spell control tokens, with these hidden."""
    return {
        index: _hidden(turns, controls)
        for index, turns in enumerate(asked)
        if any(pattern.search(text) for text, pattern in _texts(turns, controls))
    }


def encoded(
    tokenizer: PreTrainedTokenizerFast, hidden: Hidden, rendered: str, as_it_was: str, encoding: Encoding
) -> tuple[list[int], list[Span]]:
    """Token ids and offsets of a rendered conversation with hidden spellings; `encoding` is of the hidden text.

    `as_it_was` is what the template makes of the conversation with nothing hidden.
    """
    text, places = hidden.restored(rendered), hidden.places(rendered)
    if text != as_it_was:
        raise UserError(
            "The model's chat template looks into texts that spell its control tokens, so they cannot be kept as text.",
            "Take the control tokens out of the texts.",
        )
    added = {token: added.content for token, added in tokenizer.added_tokens_decoder.items()}
    unknown = added.pop(tokenizer.unk_token_id, None)  # also stands for letters that the tokenizer does not have
    ids: list[int] = []
    offsets: list[Span] = []
    for start, end, tokens in _stretches(encoding, rendered, added, unknown):
        if any(first < end and last > start for first, last in places):
            new, where = _without_control(tokenizer.backend_tokenizer, text[start:end], start)
            _refuse_control([added[token] for token in new if token in added])
        else:
            new, where = encoding.ids[tokens], encoding.offsets[tokens]
        ids += new
        offsets += where
    return ids, offsets


def _pattern(tokens: set[str]) -> re.Pattern[str]:
    """Matches any of the tokens, of several at one place the longest."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _texts(turns: Turns, controls: Controls) -> Iterator[tuple[str, re.Pattern[str]]]:
    for message in turns.messages:
        for field, value in message.items():
            pattern = controls.of(message["role"], field)
            yield from ((text, pattern) for text in _strings(value))
    yield from ((text, controls.prompt) for text in _strings(turns.tools))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _hidden(turns: Turns, controls: Controls) -> Hidden:
    used = {letter for text, _ in _texts(turns, controls) for letter in text}
    spare = (chr(point) for point in PRIVATE_USE if chr(point) not in used)
    table = {ord(letter): next(spare) for letter in controls.letters}
    messages = [
        {field: _replaced(value, controls.of(message["role"], field), table) for field, value in message.items()}
        for message in turns.messages
    ]
    tools = cast("list[Tool] | None", _replaced(turns.tools, controls.prompt, table))
    return Hidden(Turns(messages, tools, turns.learnt), {ord(mark): chr(letter) for letter, mark in table.items()})


def _replaced(value: object, pattern: re.Pattern[str], table: Mapping[int, str]) -> object:
    if isinstance(value, str):
        return pattern.sub(lambda found: found[0].translate(table), value)
    if isinstance(value, Mapping):
        return {_replaced(key, pattern, table): _replaced(inner, pattern, table) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, pattern, table) for inner in value]
    return value


def _stretches(
    encoding: Encoding, text: str, added: Mapping[int, str], unknown: str | None
) -> Iterator[tuple[int, int, slice]]:
    """The text between control tokens and each of these: first and last character, and tokens."""
    character = position = 0
    controls = [
        (index, start, end)
        for index, (token, (start, end)) in enumerate(zip(encoding.ids, encoding.offsets, strict=True))
        if token in added or text[start:end] == unknown
    ]
    for index, start, end in controls:
        yield character, start, slice(position, index)
        yield start, end, slice(index, index + 1)
        character, position = end, index + 1
    yield character, len(text), slice(position, len(encoding.ids))


def _without_control(backend: Tokenizer, text: str, start: int) -> tuple[list[int], list[Span]]:
    """Ids and offsets of text that begins at character `start` of a chat, with no control token looked for.

    Tokenizers of SentencePiece's kind put a blank before the first text only, so others get a letter before them.
    """
    if start == 0:
        encoding = _pipeline(backend, text, 0)
        return encoding.ids, encoding.offsets
    skip = len(_pipeline(backend, "x", 0).ids)
    encoding = _pipeline(backend, f"x{text}", 1)
    return encoding.ids[skip:], [(first + start - 1, last + start - 1) for first, last in encoding.offsets[skip:]]


def _pipeline(backend: Tokenizer, text: str, cut: int) -> Encoding:
    """The tokenizer's own steps on a text that is cut in two at a character, but for the search for added tokens."""
    from tokenizers import PreTokenizedString

    def parts(_: int, whole: NormalizedString) -> list[NormalizedString]:
        return [part for part in (whole[:cut], whole[cut:]) if part is not None]

    pieces = PreTokenizedString(text)
    if cut:
        pieces.split(parts)
    if backend.normalizer is not None:
        pieces.normalize(backend.normalizer.normalize)
    if backend.pre_tokenizer is not None:
        backend.pre_tokenizer.pre_tokenize(pieces)
    pieces.tokenize(backend.model.tokenize)
    return pieces.to_encoding()


def _refuse_control(tokens: list[str]) -> None:
    if tokens:
        raise UserError(
            f"The tokenizer makes the control token {tokens[0]!r} of plain text.", "Take it out of the texts."
        )
