"""Messages to tokens and mask: equal to transformers' own, on every kind of template and tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tunesmith.core.errors import UserError
from tunesmith.models.chat import last_turn, render, render_all
from tunesmith.train.scratch import scratch_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHATS = [
    [{"role": "user", "content": "load_config"}, {"role": "assistant", "content": "Load the config."}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  two  spaces\nand a line"},
        {"role": "assistant", "content": "Größe 😀"},
        {"role": "user", "content": "again"},
        {"role": "assistant", "content": " Leading space and _underscore_"},
    ],
    [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": "A"}, {"role": "tool", "content": "42"}],
]

PLAIN_CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED_CHATML = PLAIN_CHATML.replace(
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}",
    "{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}"
    "{% endgeneration %}{{ '\n' }}{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}",
)


def tokenizer_of(kind: str, template: str | None = None) -> PreTrainedTokenizerFast:
    texts = [message["content"] for chat in CHATS for message in chat]
    tokenizer = scratch_tokenizer(texts * 3, kind=kind, vocabulary=330)
    tokenizer.chat_template = template or tokenizer.chat_template
    return tokenizer


@pytest.mark.parametrize("kind", ["bpe", "words"])
@pytest.mark.parametrize("template", [None, MARKED_CHATML])
def test_tokens_and_mask_equal_those_of_transformers(kind: str, template: str | None) -> None:
    tokenizer = tokenizer_of(kind, template)
    for chat, ours in zip(CHATS, render_all(tokenizer, CHATS), strict=True):
        theirs = tokenizer.apply_chat_template(chat, return_assistant_tokens_mask=True, return_dict=True)
        assert ours.ids == theirs["input_ids"]
        assert ours.mask == theirs["assistant_masks"]


@pytest.mark.parametrize("kind", ["bpe", "words"])
def test_the_mask_holds_the_answers_and_their_end_of_turn(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    tokens = render(tokenizer, CHATS[0])
    learnt = [token for token, mask in zip(tokens.ids, tokens.mask, strict=True) if mask]
    assert tokenizer.decode(learnt) == "Load the config.<|im_end|>"
    assert learnt[-1] == tokenizer.eos_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_question_is_the_beginning_of_its_answered_chat() -> None:
    tokenizer = tokenizer_of("bpe")
    for chat in CHATS[:3]:
        asked, answered = render(tokenizer, chat[:-1], answer=False), render(tokenizer, chat)
        assert answered.ids[: len(asked.ids)] == asked.ids
        assert not any(asked.mask)
        assert answered.mask[len(asked.ids) :] == [1] * (len(answered.ids) - len(asked.ids))


def test_the_frame_of_a_question_and_its_answer_costs_four_tokens() -> None:
    tokenizer = tokenizer_of("bpe")
    tokens = render(tokenizer, [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}])
    assert [tokenizer.decode([token]) for token in tokens.ids] == [
        "<|im_start|>user\n",
        "<|im_end|>",
        "\n<|im_start|>assistant\n",
        "<|im_end|>",
    ]


def test_a_template_without_markers_gives_the_same_mask_as_with_them() -> None:
    marked, plain = tokenizer_of("bpe", MARKED_CHATML), tokenizer_of("bpe", PLAIN_CHATML)
    assert render_all(plain, CHATS) == render_all(marked, CHATS)


def test_a_template_that_rewrites_earlier_turns_is_refused() -> None:
    tokenizer = tokenizer_of("bpe", "{{ messages | length }} " + PLAIN_CHATML)
    with pytest.raises(UserError, match="changes earlier turns"):
        render(tokenizer, CHATS[0])


def test_an_empty_chat_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no messages"):
        render(tokenizer_of("bpe"), [])


def test_the_last_turn_is_found_in_a_mask() -> None:
    assert last_turn([0, 1, 1, 0, 0, 1, 1, 1]) == slice(5, 8)
    assert last_turn([0, 1, 1, 0]) == slice(1, 3)
    assert last_turn([0, 0]) == slice(0, 0)
