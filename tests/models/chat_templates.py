"""Chat templates like those of well-known models, and chats with tools, that the tests of the renderer share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tunesmith.train.scratch import scratch_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# As Qwen2.5's: tools in the system turn, calls in the assistant's, results of tools in a user turn.
QWEN = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- '# Tools\\n\\nYou may call one or more functions.\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if message.content or not loop.first %}{{- '\\n' }}{%- endif %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '<tool_call>\\n{"name": "' + tool_call.name + '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

# As Llama 3.1's: contents are trimmed, one call at most, and tests for fields that must not be there when empty.
LLAMA = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools is not none %}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}
{%- endif %}
{{- system_message + '<|eot_id|>' }}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + message.content | tojson + '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
        {%- if message.role != 'assistant' %}
            {{- message['content'] | trim + '<|eot_id|>' }}
        {%- elif 'tool_calls' in message %}
            {%- if message.tool_calls | length != 1 %}{{- raise_exception('one call at most') }}{%- endif %}
            {%- set call = message.tool_calls[0].function %}
            {%- generation %}
            {{- '{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + '}<|eot_id|>' }}
            {%- endgeneration %}
        {%- else %}
            {%- generation %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endgeneration %}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

SPECIAL = {
    QWEN: ("<|im_start|>", "<|im_end|>"),
    LLAMA: ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
}
NOT_SPECIAL = ("<tool_call>", "</tool_call>", "<think>", "</think>")  # added tokens as in Qwen3

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a städtchen <now>",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
WITH_TOOLS: list[dict[str, object]] = [
    {"role": "system", "content": "Be brief. "},
    {"role": "user", "content": "Weather in Köln?"},
    {
        "role": "assistant",
        "content": None,
        "name": None,
        "tool_calls": json.dumps([{"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}]),
    },
    {"role": "tool", "content": '{"sky": "🌧"}', "tool_call_id": "c1", "tool_calls": None},
    {"role": "assistant", "content": "Rain 🌧", "tool_calls": None, "weight": 1.0},
    {"role": "user", "content": "Thanks"},
    {"role": "assistant", "content": "  Any time\n"},
]
PLAIN = [
    {"role": "user", "content": "  two  spaces\nand a line"},
    {"role": "assistant", "content": "Größe 😀"},
    {"role": "user", "content": "日本語"},
    {"role": "assistant", "content": "yes"},
]


def unmarked(template: str) -> str:
    """The template without its generation markers."""
    return template.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")


def tokenizer_with(template: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that has the special tokens of a template."""
    from tokenizers import AddedToken

    tokenizer = scratch_tokenizer(["the weather of the day"] * 3, vocabulary=300)
    special = SPECIAL[QWEN if "<|im_start|>" in template else LLAMA]
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in NOT_SPECIAL])
    tokenizer.bos_token, tokenizer.eos_token = special[0], special[-1]
    tokenizer.chat_template = template
    return tokenizer
