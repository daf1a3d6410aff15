"""Chat logs: each known format is told by its rows, read whole, and what does not follow it says what it lacks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.core.errors import UserError
from tunesmith.data.files import File
from tunesmith.data.rows import to_batch
from tunesmith.data.sources.chats import chats, recognised, split

USER = {"role": "user", "content": "2+2?"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "add"}}]}
RESULT = {"role": "tool", "content": "4", "name": "add"}
ANSWER = {"role": "assistant", "content": "Four.", "weight": 0}
TOOLS = [{"type": "function", "function": {"name": "add"}}]


def file_of(folder: Path, rows: Sequence[object], name: str = "chat.jsonl") -> File:
    path = folder / name
    if ".parquet" in name:
        pq.write_table(pa.Table.from_pylist(rows), path)
        return File(str(path), name)
    text = json.dumps(rows, indent=1) if ".json" in path.suffixes else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return File(str(path), name)


def read(file: File, **parameters: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    batch, quarantined = to_batch(list(chats(file, **parameters)), source="chats")
    return batch.to_pylist(), quarantined


def said(turns: Sequence[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(turn["role"], turn["content"]) for turn in turns]


CONVERSATIONS: dict[str, tuple[dict[str, object], list[tuple[str, str | None]]]] = {
    "messages": (
        {"messages": [{"role": "developer", "content": "Be brief."}, USER, CALL, RESULT, ANSWER], "tools": TOOLS},
        [("system", "Be brief."), ("user", "2+2?"), ("assistant", None), ("tool", "4"), ("assistant", "Four.")],
    ),
    "sharegpt": (
        {
            "system": "Be brief.",
            "conversations": [
                {"from": "human", "value": "2+2?"},
                {"from": "function_call", "value": '{"name": "add"}'},
                {"from": "observation", "value": "4"},
                {"from": "gpt", "value": "Four."},
            ],
        },
        [("system", "Be brief."), ("user", "2+2?"), ("assistant", None), ("tool", "4"), ("assistant", "Four.")],
    ),
    "alpaca": (
        {"instruction": "Add.", "input": "2 2", "output": "4", "history": [["Hi", "Hello"]]},
        [("user", "Hi"), ("assistant", "Hello"), ("user", "Add.\n\n2 2"), ("assistant", "4")],
    ),
    "unpaired_preference": (
        {"prompt": "2+2?", "completion": "5", "label": False},
        [("user", "2+2?"), ("assistant", "5")],
    ),
    "prompt_completion": (
        {"prompt": "2+2?", "completion": [{"role": "assistant", "content": [{"type": "text", "text": "4"}]}]},
        [("user", "2+2?"), ("assistant", "4")],
    ),
}
PAIRS: dict[str, dict[str, object]] = {
    "of texts": {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
    "of messages": {
        "prompt": [USER],
        "chosen": [{"role": "assistant", "content": "4"}],
        "rejected": [{"role": "assistant", "content": "5"}],
    },
    "of whole conversations": {
        "messages": [USER],
        "chosen": [USER, {"role": "assistant", "content": "4"}],
        "rejected": [USER, {"role": "assistant", "content": "5"}],
    },
    "with the prompt in text and in the conversations": {
        "prompt": "2+2?",
        "chosen": [USER, {"role": "assistant", "content": "4"}],
        "rejected": [USER, {"role": "assistant", "content": "5"}],
    },
    "of openai": {
        "input": {"messages": [USER]},
        "preferred_output": [{"role": "assistant", "content": "4"}],
        "non_preferred_output": [{"role": "assistant", "content": "5"}],
    },
}


@pytest.mark.parametrize("name", ["chat.jsonl", "chat.json", "chat.jsonl.gz", "chat.parquet"])
@pytest.mark.parametrize("format", CONVERSATIONS)
def test_conversations_are_told_and_read_whole_in_every_kind_of_file(tmp_path: Path, format: str, name: str) -> None:
    row, turns = CONVERSATIONS[format]
    file = file_of(tmp_path, [{**row, "lang": "en", "group": "g"}], name)
    assert recognised(file).format == format
    assert "1 of the first 1 rows have " in recognised(file).why
    ((found,), quarantined) = read(file)
    assert quarantined == []
    assert said(found["messages"]) == turns
    assert json.loads(found["meta"]) == {"format": format, "lang": "en"}
    assert found["group"] == "g"
    assert found["origin"]["uri"] == name
    assert found["origin"]["line"] is not None


@pytest.mark.parametrize("kind", PAIRS)
def test_pairs_are_a_prompt_and_two_answers(tmp_path: Path, kind: str) -> None:
    ((found,), _) = read(file_of(tmp_path, [PAIRS[kind]]))
    assert [said(found[name]) for name in ("messages", "chosen", "rejected")] == [
        [("user", "2+2?")],
        [("assistant", "4")],
        [("assistant", "5")],
    ]


def test_tools_calls_names_and_weights_are_kept(tmp_path: Path) -> None:
    ((found,), _) = read(file_of(tmp_path, [CONVERSATIONS["messages"][0]]))
    assert json.loads(found["tools"]) == TOOLS
    assert json.loads(found["messages"][2]["tool_calls"]) == CALL["tool_calls"]
    assert found["messages"][3]["name"] == "add"
    assert found["messages"][4]["weight"] == 0


def test_rows_in_another_format_are_quarantined_with_what_they_lack(tmp_path: Path) -> None:
    good = {"messages": [USER, ANSWER]}
    bad = {
        "no 'messages'": {"prompt": "a", "completion": "b"},
        "messages has no turns": {"messages": []},
        "messages is text, not a list of turns": {"messages": "hello"},
        "messages[0] has neither role nor from": {"messages": [{"text": "a"}]},
        "messages[1] has no content": {"messages": [USER, {"role": "assistant"}]},
        "messages[0] holds more than text: image_url": {
            "messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "a"}]}]
        },
    }
    rows, quarantined = read(file_of(tmp_path, [good] * len(bad) + list(bad.values())))
    assert len(rows) == len(bad)
    assert [entry["error"] for entry in quarantined] == [f"not as messages wants it: {lack}" for lack in bad]
    narrator = {"messages": [{"role": "narrator", "content": "a"}]}
    _, (entry,) = read(file_of(tmp_path, [good, narrator]))
    assert "messages[0].role is 'narrator', none of assistant, bard" in entry["error"]
    assert entry["line"] == 2


def test_empty_and_repeated_turns_are_not_mended(tmp_path: Path) -> None:
    turns = [USER, USER, {"role": "assistant", "content": ""}]
    ((found,), _) = read(file_of(tmp_path, [{"messages": turns}]))
    assert said(found["messages"]) == [("user", "2+2?"), ("user", "2+2?"), ("assistant", "")]


def test_a_file_in_no_known_format_names_the_three_nearest_and_the_row_that_failed(tmp_path: Path) -> None:
    file = file_of(tmp_path, [{"instruction": "Add.", "response": "4"}] * 3)
    with pytest.raises(UserError) as caught:
        list(chats(file))
    first, nearest, *others = caught.value.problem.splitlines()
    assert first == "chat.jsonl: its rows are in no known format. The nearest:"
    assert nearest == "  alpaca (instruction, input and output): line 1: no 'output'"
    assert len(others) == 2
    assert caught.value.hint.startswith("The fields of its first row: instruction, response.")


def test_the_format_can_be_said(tmp_path: Path) -> None:
    row = {"messages": [USER, ANSWER], "prompt": "2+2?", "completion": "4"}
    assert recognised(file_of(tmp_path, [row])).format == "messages"
    ((found,), _) = read(file_of(tmp_path, [row]), format="prompt_completion")
    assert said(found["messages"]) == [("user", "2+2?"), ("assistant", "4")]


def test_a_rows_own_key_is_its_id(tmp_path: Path) -> None:
    row = {"prompt": "a", "completion": "b", "n": 1}
    (one, other), quarantined = read(file_of(tmp_path, [row, {**row, "n": 2}, {**row, "n": None}]), id="n")
    assert one["id"] != other["id"]
    assert [entry["error"] for entry in quarantined] == ["not as prompt_completion wants it: no 'n'"]


def test_the_elements_of_an_array_know_their_lines_and_one_that_breaks_it_ends_it(tmp_path: Path) -> None:
    content = (
        b'[\n {"prompt": "\xc3\xa9", "completion": "b"},\n 7,\n {"prompt": "c", "completion": "\xff"},\n {"prompt": ]'
    )
    (tmp_path / "a.json").write_bytes(content)
    rows, quarantined = read(File(str(tmp_path / "a.json"), "a.json"))
    assert [(row["origin"]["line"], row["origin"]["offset"]) for row in rows] == [(2, 3)]
    places = [(3, content.index(b"7")), (4, content.index(b'{"prompt": "c"')), (5, content.index(b'{"prompt": ]'))]
    assert [(entry["line"], entry["offset"]) for entry in quarantined] == places
    assert quarantined[0]["error"] == "no JSON object, as a row is"
    assert "half a character" in quarantined[1]["error"]
    assert "the array cannot be read on" in quarantined[2]["error"]


def test_a_cut_array_gives_its_first_rows(tmp_path: Path) -> None:
    rows = [{"prompt": f"question {n}", "completion": str(n**9)} for n in range(5000)]
    file = file_of(tmp_path, rows, "a.json.gz")
    whole = Path(file.path).read_bytes()
    Path(file.path).write_bytes(whole[: len(whole) // 2])
    found, quarantined = read(file)
    assert [row["messages"][0]["content"] for row in found] == [f"question {n}" for n in range(len(found))]
    assert len(found) > 1000
    assert [entry["error"] for entry in quarantined] == [
        "the file is cut or damaged here: the compressed data is cut off"
    ]


def test_an_empty_file_and_one_of_json_lines_named_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"")
    assert [entry["error"] for entry in read(File(str(tmp_path / "a.json"), "a.json"))[1]] == ["the file is empty"]
    (tmp_path / "a.json").write_bytes(b'{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n')
    assert len(read(File(str(tmp_path / "a.json"), "a.json"))[0]) == 2


def test_parts_of_a_large_file_are_read_in_the_format_of_the_whole(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n}", "completion": "b"} for n in range(60)] + [{"messages": [USER, ANSWER]}] * 40
    for name in ("a.jsonl", "a.json"):
        file = file_of(tmp_path, rows, name)
        whole = list(chats(file))
        assert [row for part in split(file, 1000) for row in chats(part)] == whole
    assert split(file, 1000) == [file]


def test_a_label_of_true_or_false_says_whether_an_answer_is_desirable(tmp_path: Path) -> None:
    rows = [{"prompt": "2+2?", "completion": str(sum_), "label": sum_ == 4} for sum_ in (4, 5)]
    found, quarantined = read(file_of(tmp_path, rows))
    assert [row["desirable"] for row in found] == [True, False]
    assert quarantined == []


def test_a_label_of_another_kind_stays_with_a_prompt_and_completion(tmp_path: Path) -> None:
    ((found,), _) = read(file_of(tmp_path, [{"prompt": "2+2?", "completion": "4", "label": "sums"}]))
    assert json.loads(found["meta"]) == {"format": "prompt_completion", "label": "sums"}
    assert "desirable" not in found
