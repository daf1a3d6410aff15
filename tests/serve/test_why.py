from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.errors import UserError
from tunesmith.serve.nearest import Row
from tunesmith.serve.why import CheckpointFacts, DataFacts, story_json, tell, why_request
from tunesmith.store import Store, StoredRequest, open_store, save_request

KEY = "c0ffee" * 3 + "00"
FACTS = CheckpointFacts(
    name="voice-pref",
    key=KEY,
    run="quickstart",
    step="dpo",
    start="voice/0123456789abcdef0123",
    data=(DataFacts("docs.train", "feedfacefeedfacefeed", 26_104, {"PSF-2.0": 6_000, "MIT": 20_104}),),
    adapter="lora",
)
ROWS = [Row("row-1", "def load_config(path)", "Load the configuration."), Row("row-2", "class Parser", "Parse.")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "state.db") as opened:
        messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "load_config(file)"})
        save_request(
            opened,
            StoredRequest(
                "chatcmpl-1", 0.0, "voice", KEY, "quickstart", messages, "Load the file.", 9, 4, 0.5, "length"
            ),
        )
        yield opened


def test_the_story_of_an_answer_names_checkpoint_data_and_similar_rows(store: Store) -> None:
    story = why_request(
        store,
        "chatcmpl-1",
        describe_checkpoint={KEY: FACTS}.get,
        training_rows={KEY: ROWS}.__getitem__,
    )
    told = tell(story)
    assert told.splitlines() == [
        "Answer chatcmpl-1, given on 1970-01-01 00:00:00 UTC in 0.50 s.",
        '  asked:    "load_config(file)"',
        '  answered: "Load the file."',
        "It took 9 prompt tokens and 4 answer tokens. It was cut off at its longest length.",
        f"It was given by checkpoint voice-pref/{KEY} of run 'quickstart': "
        "trained by dpo from voice/0123456789abcdef0123, as a lora adapter.",
        "  learnt from docs.train/feedfacefeedfacefeed: 26,104 rows (MIT 20,104, PSF-2.0 6,000).",
        "The training rows most similar to the question "
        "(similar by words; this does not show what caused the answer):",
        '  0.49  row-1  "def load_config(path)" -> "Load the configuration."',
    ]  # fmt: skip


def test_the_story_is_also_json(store: Store) -> None:
    story = why_request(store, "chatcmpl-1", describe_checkpoint={KEY: FACTS}.get, training_rows=lambda key: ROWS)
    value = json.loads(json.dumps(story_json(story)))
    assert value["checkpoint"]["data"][0]["rows"] == 26_104
    assert value["nearest"][0]["id"] == "row-1"
    assert "not causes" in value["nearest_are"]


def test_a_checkpoint_that_was_deleted_is_said_to_be_gone(store: Store) -> None:
    story = why_request(store, "chatcmpl-1", describe_checkpoint=lambda key: None, training_rows=lambda key: [])
    assert f"checkpoint {KEY} of run 'quickstart', which this workspace no longer has" in tell(story)
    assert "No training row shares a word with the question." in tell(story)


def test_an_id_that_was_not_stored_says_when_answers_are(store: Store) -> None:
    with pytest.raises(UserError, match="no stored answer has the id 'chatcmpl-2'") as caught:
        why_request(store, "chatcmpl-2", describe_checkpoint=lambda key: None, training_rows=lambda key: [])
    assert "storing switched on" in caught.value.hint
