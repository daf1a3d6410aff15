"""Tools, tool calls and turns of weight 0: as transformers renders and masks them, on templates like the known ones."""

from __future__ import annotations

import json

import pytest
from tests.models.chat_templates import LLAMA, PLAIN, QWEN, TOOLS, WITH_TOOLS, tokenizer_with, unmarked

from tunesmith.core.errors import UserError
from tunesmith.models.chat import CHAT_TEMPLATE, Tokens, render, render_all, template_hash
from tunesmith.models.conversation import Conversation, conversation_of

ROW = {"id": "r1", "messages": WITH_TOOLS, "tools": json.dumps(TOOLS)}
TEMPLATES = [CHAT_TEMPLATE, QWEN, LLAMA]


def theirs(template: str, chat: Conversation) -> Tokens:
    messages, tools = [dict(message) for message in chat.messages], [dict(tool) for tool in chat.tools or ()] or None
    found = tokenizer_with(template).apply_chat_template(
        messages, tools=tools, return_assistant_tokens_mask=True, return_dict=True
    )
    return Tokens(found["input_ids"], found["assistant_masks"])


def learnt(template: str, tokens: Tokens) -> str:
    kept = [token for token, mask in zip(tokens.ids, tokens.mask, strict=True) if mask]
    return str(tokenizer_with(template).decode(kept))


@pytest.mark.parametrize("template", TEMPLATES)
def test_tools_calls_and_results_are_rendered_and_masked_as_transformers_does(template: str) -> None:
    chats = [conversation_of(ROW), Conversation(tuple(PLAIN)), Conversation(tuple(PLAIN), tuple(TOOLS))]
    ours = render_all(tokenizer_with(template), chats)
    assert ours == [theirs(template, chat) for chat in chats]
    assert any(ours[0].mask)


@pytest.mark.parametrize("template", [QWEN, LLAMA])
def test_without_markers_tokens_and_mask_are_those_with_markers(template: str) -> None:
    chats = [conversation_of(ROW), Conversation(tuple(PLAIN))]
    assert render_all(tokenizer_with(unmarked(template)), chats) == render_all(tokenizer_with(template), chats)


def test_stored_messages_give_the_tokens_of_their_conversation() -> None:
    for template in TEMPLATES:
        tokenizer, chat = tokenizer_with(template), conversation_of(ROW)
        assert render(tokenizer, WITH_TOOLS, tools=TOOLS) == render(tokenizer, chat)
        assert render_all(tokenizer, [WITH_TOOLS, WITH_TOOLS], tools=[None, TOOLS])[1] == render(tokenizer, chat)
        assert render(tokenizer, WITH_TOOLS) == render(tokenizer, Conversation(chat.messages))


def test_our_template_writes_tools_and_calls_as_lines_of_json() -> None:
    tokenizer = tokenizer_with(CHAT_TEMPLATE)
    tokens = render(tokenizer, conversation_of(ROW))
    tool = json.dumps(TOOLS[0], ensure_ascii=False)
    assert tokenizer.decode(tokens.ids) == (
        f"<|im_start|>system\nBe brief. \n\n<tools>\n{tool}\n</tools><|im_end|>\n"
        "<|im_start|>user\nWeather in Köln?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>{"name": "weather", "arguments": {"city": "Köln"}}</tool_call><|im_end|>\n'
        '<|im_start|>tool\n{"sky": "🌧"}<|im_end|>\n'
        "<|im_start|>assistant\nRain 🌧<|im_end|>\n"
        "<|im_start|>user\nThanks<|im_end|>\n<|im_start|>assistant\n  Any time\n<|im_end|>"
    )
    assert learnt(CHAT_TEMPLATE, tokens) == (
        '<tool_call>{"name": "weather", "arguments": {"city": "Köln"}}</tool_call><|im_end|>'
        "Rain 🌧<|im_end|>  Any time\n<|im_end|>"
    )


def test_our_template_makes_a_system_turn_for_tools_and_puts_calls_behind_the_text() -> None:
    tokenizer = tokenizer_with(CHAT_TEMPLATE)
    calls = [{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"x": [1, None]}}]
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Both.", "tool_calls": calls}]
    assert tokenizer.decode(render(tokenizer, chat, tools=[{"name": "a"}]).ids) == (
        '<|im_start|>system\n<tools>\n{"name": "a"}\n</tools><|im_end|>\n<|im_start|>user\n?<|im_end|>\n'
        '<|im_start|>assistant\nBoth.\n<tool_call>{"name": "a", "arguments": {}}</tool_call>\n'
        '<tool_call>{"name": "b", "arguments": {"x": [1, null]}}</tool_call><|im_end|>'
    )


def test_a_chat_without_tools_is_plain_chatml_in_our_template() -> None:
    tokenizer = tokenizer_with(CHAT_TEMPLATE)
    for chat in (PLAIN, [{"role": "system", "content": " s "}, *PLAIN], [*PLAIN, {"role": "tool", "content": "4\n2"}]):
        turns = [f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>" for message in chat]
        for tools in (None, []):
            assert tokenizer.decode(render(tokenizer, chat, tools=tools).ids) == "\n".join(turns)
        asked = render(tokenizer, chat, answer=False)
        assert tokenizer.decode(asked.ids) == "\n".join([*turns, "<|im_start|>assistant\n"])


@pytest.mark.parametrize("template", [*TEMPLATES, unmarked(QWEN), unmarked(LLAMA)])
def test_an_assistant_turn_of_weight_0_is_context_only(template: str) -> None:
    tokenizer = tokenizer_with(template)
    whole = render(tokenizer, PLAIN)
    light = [dict(message, weight=0.0 if number == 1 else 1.0) for number, message in enumerate(PLAIN)]
    tokens = render(tokenizer, light)
    assert tokens.ids == whole.ids
    assert learnt(template, tokens) == "yes" + tokenizer.eos_token
    assert learnt(template, whole).startswith("Größe 😀")
    none = render(tokenizer, [dict(message, weight=0) for message in PLAIN])
    assert none == Tokens(whole.ids, [0] * len(whole.ids))


def test_any_other_weight_of_a_message_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"chat 1: messages\[1\].weight is 0.5.*\n.*sampling probability"):
        render_all(tokenizer_with(QWEN), [PLAIN, [PLAIN[0], dict(PLAIN[1], weight=0.5)]])


def test_weight_0_needs_one_marked_generation_for_each_turn() -> None:
    twice = QWEN.replace("{{- '<|im_end|>' }}\n", "{%- endgeneration %}{%- generation %}{{- '<|im_end|>' }}\n")
    tokenizer = tokenizer_with(twice)
    assert render(tokenizer, PLAIN) == render(tokenizer_with(QWEN), PLAIN)
    with pytest.raises(UserError, match="4 generations in 2 assistant turns"):
        render(tokenizer, [*PLAIN[:3], dict(PLAIN[3], weight=0)])


def test_tokenizers_with_a_template_for_tools_use_it_where_there_are_tools() -> None:
    tokenizer = tokenizer_with(QWEN)
    tokenizer.chat_template = {"default": "{{ messages[0].content }}", "tool_use": QWEN}
    with_tools, without = render_all(tokenizer, [PLAIN, PLAIN], tools=[TOOLS, None], answer=False)
    assert with_tools == render(tokenizer_with(QWEN), PLAIN, tools=TOOLS, answer=False)
    assert tokenizer.decode(without.ids) == PLAIN[0]["content"]


def test_padding_and_truncation_that_a_tokenizer_was_left_with_change_nothing() -> None:
    tokenizer = tokenizer_with(QWEN)
    expected = render_all(tokenizer, [PLAIN, WITH_TOOLS])
    tokenizer(["a", "b b"], padding=True, truncation=True, max_length=3, split_special_tokens=True)
    assert render_all(tokenizer, [PLAIN, WITH_TOOLS]) == expected


def test_the_hash_of_a_template_is_that_of_its_bytes() -> None:
    tokenizer = tokenizer_with("{{ 'ü' }}")
    assert template_hash(tokenizer) == "1415842703e1a96d11ec7ae44655bd314d7e435b1b7bd5357edcbe904667eb01"
    tokenizer.chat_template = {"tool_use": "b", "default": "a"}
    first = template_hash(tokenizer)
    tokenizer.chat_template = {"default": "a", "tool_use": "b"}
    assert template_hash(tokenizer) == first
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        template_hash(tokenizer)
