"""What holds of every rendered chat, whatever its texts are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.chat_templates import QWEN, TOOLS, tokenizer_with, unmarked

from tunesmith.models.chat import CHAT_TEMPLATE, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PIECES = st.sampled_from(
    ["<|im_end|>", "<|im_start|>", "<|im_start|>user\n", "\n", " ", "<|im_", "end|>", "ü", "a", "{}"]
)
TEXT = st.one_of(st.text(max_size=12), st.lists(PIECES, max_size=6).map("".join))
CALLS = st.lists(
    st.fixed_dictionaries({"name": TEXT, "arguments": st.dictionaries(TEXT, TEXT, max_size=2)}), max_size=2
)
ASKED = st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": TEXT})
ANSWER = st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXT, "tool_calls": CALLS})
WEIGHT = st.sampled_from([0, 1, None])
PAIRS = st.lists(st.tuples(ASKED, ANSWER, WEIGHT), min_size=1, max_size=3)


@cache
def tokenizer_for(template: str) -> PreTrainedTokenizerFast:
    return tokenizer_with(template)


def chat_from(pairs: list[tuple[dict[str, Any], dict[str, Any], float | None]]) -> list[dict[str, Any]]:
    return [turn for asked, answer, weight in pairs for turn in (asked, {**answer, "weight": weight})]


def runs(ids: list[int], mask: list[int], end: int) -> list[list[int]]:
    """The learnt tokens, cut behind each end of turn."""
    found: list[list[int]] = [[]]
    for token, one in zip(ids, mask, strict=True):
        if one:
            found[-1].append(token)
            found += [[]] if token == end else []
    assert not found[-1]
    return found[:-1]


def written(answer: dict[str, Any]) -> str:
    """What our template makes of an answer, by its definition."""
    import json

    calls = [
        f'<tool_call>{{"name": {json.dumps(call["name"], ensure_ascii=False)}, '
        f'"arguments": {json.dumps(call["arguments"], ensure_ascii=False)}}}</tool_call>'
        for call in answer["tool_calls"]
    ]
    return "\n".join([answer["content"]] * bool(answer["content"]) + calls) + "<|im_end|>"


@settings(deadline=None, max_examples=60)
@given(pairs=PAIRS, tools=st.sampled_from([None, TOOLS]))
def test_the_mask_holds_exactly_the_answers_and_their_ends(pairs: list[Any], tools: list[Any] | None) -> None:
    tokenizer = tokenizer_for(CHAT_TEMPLATE)
    tokens = render(tokenizer, chat_from(pairs), tools=tools)
    learnt = runs(tokens.ids, tokens.mask, tokenizer.eos_token_id)
    assert [tokenizer.decode(ids) for ids in learnt] == [written(answer) for _, answer, w in pairs if w != 0]


@settings(deadline=None, max_examples=60)
@given(pairs=PAIRS, tools=st.sampled_from([None, TOOLS]))
def test_a_prompt_is_the_beginning_of_its_answered_chat(pairs: list[Any], tools: list[Any] | None) -> None:
    tokenizer, chat = tokenizer_for(CHAT_TEMPLATE), chat_from(pairs)
    whole, prompt = render(tokenizer, chat, tools=tools), render(tokenizer, chat[:-1], tools=tools, answer=False)
    assert whole.ids[: len(prompt.ids)] == prompt.ids
    assert set(whole.mask[len(prompt.ids) :]) == {0 if pairs[-1][2] == 0 else 1}


@settings(deadline=None, max_examples=30)
@given(pairs=PAIRS)
def test_prefixes_find_the_mask_that_markers_give(pairs: list[Any]) -> None:
    chat = chat_from(pairs)
    assert render(tokenizer_for(unmarked(QWEN)), chat) == render(tokenizer_for(QWEN), chat)
