"""Stored rows become conversations: nothing empty, JSON parsed, mistakes named by record and field."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa
import pytest
from tests.models.chat_templates import TOOLS, WITH_TOOLS

from tunesmith.core.errors import UserError
from tunesmith.core.record import schema_of
from tunesmith.models.conversation import Conversation, conversation_of, message_of
from tunesmith.models.rows import answer_of, chat_of, prompt_of, target_of

CALL = {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"city": "Köln"}}}


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """A row after a stay in an Arrow table, where every field is."""
    table = pa.Table.from_pylist([row], schema_of(["id", "messages", "chosen", "rejected", "tools", "target"]))
    return dict(table.to_pylist()[0])


def called(calls: object, **more: object) -> dict[str, Any]:
    text = calls if isinstance(calls, str) else json.dumps(calls)
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": text, **more}]
    return stored({"id": "r1", "messages": turns})


def test_a_stored_row_has_its_messages_without_empty_fields_and_its_tools() -> None:
    row = stored({"id": "r1", "messages": WITH_TOOLS, "tools": json.dumps(TOOLS)})
    assert conversation_of(row) == Conversation(
        (
            {"role": "system", "content": "Be brief. "},
            {"role": "user", "content": "Weather in Köln?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": '{"sky": "🌧"}', "tool_call_id": "c1"},
            {"role": "assistant", "content": "Rain 🌧"},
            {"role": "user", "content": "Thanks"},
            {"role": "assistant", "content": "  Any time\n"},
        ),
        tuple(TOOLS),
    )
    again = conversation_of({"messages": conversation_of(row).messages, "tools": conversation_of(row).tools})
    assert again == conversation_of(row)


def test_a_conversation_is_a_chat_and_cannot_be_changed() -> None:
    chat = conversation_of(called([CALL]))
    assert (len(chat), chat[0], list(chat)[-1], chat[:1]) == (2, chat.messages[0], chat.messages[1], chat.messages[:1])
    with pytest.raises(dataclasses.FrozenInstanceError):
        chat.messages = ()  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    "given",
    [
        [CALL],
        [{"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}],
        [{"id": "c1", "name": "weather", "arguments": {"city": "Köln"}}],
        {"id": "c1", "name": "weather", "arguments": '{"city": "Köln"}'},
    ],
)
def test_calls_in_every_spelling_become_the_same(given: object) -> None:
    assert conversation_of(called(given)).messages[1]["tool_calls"] == [CALL]


@pytest.mark.parametrize("arguments", [None, "", "{}", {}])
def test_a_call_without_arguments_has_an_empty_object(arguments: object) -> None:
    calls = conversation_of(called([{"name": "now", "arguments": arguments}])).messages[1]["tool_calls"]
    assert calls == [{"type": "function", "function": {"name": "now", "arguments": {}}}]


@pytest.mark.parametrize(
    ("calls", "complaint"),
    [
        ("[{", r"record r1: messages\[1\].tool_calls is not JSON"),
        ("7", r"record r1: messages\[1\].tool_calls is not a list of JSON objects"),
        ("[7]", r"record r1: messages\[1\].tool_calls is not a list of JSON objects"),
        ("[{}]", r"record r1: messages\[1\].tool_calls\[0\] names no function"),
        ('[{"name": "a", "arguments": "x"}]', r"record r1: messages\[1\].tool_calls\[0\].arguments is not JSON"),
        ('[{"name": "a", "arguments": [1]}]', r"messages\[1\].tool_calls\[0\].arguments is not a JSON object"),
    ],
)
def test_broken_calls_are_named_by_record_and_field(calls: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        conversation_of(called(calls))


def test_tools_are_parsed_and_bare_functions_wrapped_and_broken_ones_named() -> None:
    turns = [{"role": "user", "content": "?"}]
    bare = stored({"id": "r1", "messages": turns, "tools": json.dumps([TOOLS[0]["function"]])})
    assert conversation_of(bare).tools == tuple(TOOLS)
    for none in (None, "", "[]", "null"):
        assert conversation_of(stored({"id": "r1", "messages": turns, "tools": none})).tools is None
    with pytest.raises(UserError, match="record r1: tools is not JSON"):
        conversation_of(stored({"id": "r1", "messages": turns, "tools": "[weather]"}))


def test_the_messages_of_an_answer_column_come_behind() -> None:
    row = stored(
        {
            "id": "r1",
            "messages": [{"role": "user", "content": "?"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": None, "tool_calls": "{"}],
        }
    )
    assert [message["content"] for message in conversation_of(row, "chosen")] == ["?", "good"]
    assert [message["content"] for message in conversation_of(row)] == ["?"]
    with pytest.raises(UserError, match=r"record r1: rejected\[0\].tool_calls is not JSON"):
        conversation_of(row, "rejected")
    with pytest.raises(UserError, match="record r1 has no completion"):
        conversation_of(row, "completion")


def test_a_message_weighs_0_or_1_and_only_that_of_an_answer_is_kept() -> None:
    weights = [("user", 0.0), ("assistant", 0.0), ("assistant", 1.0), ("assistant", None)]
    row = stored({"id": "r1", "messages": [{"role": role, "content": "x", "weight": it} for role, it in weights]})
    assert [message.get("weight") for message in conversation_of(row)] == [None, 0, None, None]
    assert chat_of({"id": "r1", "messages": row["messages"][:3]})[1] == {"role": "assistant", "content": "x"}
    with pytest.raises(UserError, match=r"record r1: messages\[0\].weight is 2.0.*\n.*sampling probability"):
        conversation_of(stored({"id": "r1", "messages": [{"role": "assistant", "content": "x", "weight": 2.0}]}))


def test_a_message_needs_a_role_and_a_row_messages() -> None:
    with pytest.raises(UserError, match="here has no role"):
        message_of({"content": "x"}, "here")
    with pytest.raises(UserError, match=r"record 9 has no messages.*\n.*to_chat"):
        conversation_of({"id": "9", "text": "plain"})


def test_an_evaluated_model_sees_calls_results_and_tools() -> None:
    row = stored({"id": "r1", "messages": WITH_TOOLS, "tools": json.dumps(TOOLS)})
    chat = chat_of(row)
    assert chat == Conversation(conversation_of(row).messages[:-1], tuple(TOOLS))
    assert (prompt_of(chat), target_of(row)) == ("Thanks", "  Any time\n")


def test_a_call_is_no_expected_answer_unless_the_row_says_how_it_is_written() -> None:
    row = called([CALL])
    with pytest.raises(UserError, match="record r1 has no expected answer but a call of tools"):
        target_of(row)
    assert target_of({**row, "target": "weather(Köln)"}) == "weather(Köln)"
    assert answer_of(row) == '{"name": "weather", "arguments": {"city": "Köln"}}'
    assert answer_of(called([CALL], content="Let me see.")) == f"Let me see.\n{answer_of(row)}"
    assert answer_of(stored({"id": "r1", "messages": WITH_TOOLS})) == "  Any time\n"
