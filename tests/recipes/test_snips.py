from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.shared import shared

from tunesmith.core.registry import Named
from tunesmith.recipe import Recipe, load_recipe
from tunesmith.run import Outcome, run_recipe

ROOT = Path(__file__).parents[2]
ARTISTS = ("miles davis", "nina simone", "queen", "the who")
CITIES = ("oslo", "new york", "são paulo", "lagos")
Row = Mapping[str, object]


class Quiet:
    def say(self, sentence: str) -> None: ...

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None: ...


def function(kind: str, name: str) -> Callable[..., Any]:
    return Named(kind, f"./snips.py:{name}", str(ROOT / "recipes")).load()


def tagged(intent: str, template: str, slot: str, value: str) -> Row:
    words, tags = [], []
    for word in template.split():
        inside = value.split() if word == "SLOT" else [word]
        words += inside
        tags += [f"B-{slot}", *[f"I-{slot}"] * (len(inside) - 1)] if word == "SLOT" else ["O"]
    return {"text": " ".join(words) + " ", "bio": tags, "intent": intent}


def sentences(play: str, weather: str) -> list[Row]:
    played = [tagged("PlayMusic", play, "artist", artist) for artist in ARTISTS]
    return [*played, *(tagged("GetWeather", weather, "city", city) for city in CITIES)]


def recipe_on(folder: Path, *, steps: int | None = None) -> Recipe:
    files = {"known": "train.jsonl.gz", "official": "test.jsonl.gz"}
    paths = {f"data.{name}.jsonl.path": str(folder / file) for name, file in files.items()}
    return load_recipe(ROOT / "recipes" / "snips.yaml", sets=paths, steps=steps)


def write_lines(path: Path, rows: Sequence[Row]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("snips")
    asked = [
        ("play SLOT", "weather in SLOT"),
        ("put on SLOT now", "is it cold in SLOT"),
        ("i want SLOT", "rain in SLOT"),
    ]
    write_lines(folder / "train.jsonl.gz", [row for pair in asked for row in sentences(*pair)])
    leaked = {"text": "rain in Oslo", "bio": ["O", "O", "B-city"], "intent": "GetWeather"}
    write_lines(folder / "test.jsonl.gz", [*sentences("put on SLOT", "weather for SLOT"), leaked])
    recipe = recipe_on(folder, steps=5)
    few = {**recipe.waive, "examples_least": "a rehearsal on made-up rows"}
    return run_recipe(replace(recipe, waive=few), folder / "workspace", Quiet(), workers=1)


@pytest.mark.parametrize(
    ("tags", "slots"),
    [
        (["O", "O", "O", "O"], {}),
        (["B-a", "I-a", "B-a", "O"], {"a": ["w x", "y"]}),
        (["B-b", "B-a", "I-a", "B-b"], {"b": ["w", "z"], "a": ["x y"]}),
        (["I-a", "I-b", "I-b", "O"], {"a": ["w"], "b": ["x y"]}),  # a tagger can write an I- without its B-
    ],
)
def test_tags_become_slots_with_lists_of_values(tags: list[str], slots: dict[str, list[str]]) -> None:
    made = function("edit", "call_in_json")({"text": " w  x y z", "meta": {"bio": tags, "intent": "Go"}})
    assert json.loads(made["target"]) == {"intent": "Go", "slots": slots}
    assert [turn["content"] for turn in made["messages"]] == ["w x y z", made["target"]]


def test_a_call_is_the_same_in_another_order_and_another_with_one_value_less() -> None:
    same = function("metric", "same_call")
    target = '{"intent":"Go","slots":{"a":["1","2"],"b":["3"]}}'
    assert same('{"slots":{"b":["3"],"a":["2","1"]},"intent":"Go"}', target) == 1.0
    for answer in ('{"intent":"Go","slots":{"a":["1"],"b":["3"]}}', '{"intent":"Go","slots":[]}', "[]", target[:-1]):
        assert same(answer, target) == 0.0


def test_every_model_is_measured_by_intents_slots_and_whole_calls(rehearsed: Outcome) -> None:
    numbers: Any = rehearsed.report["numbers"]
    for model in ("caller", "linear", "untrained", "nearest"):
        for metric in ("intent", "slot_f1", "same_call", "json_valid"):
            counts = {on: numbers[f"{model}/{metric}{on}"]["n"] for on in ("", "@clean", "@leaked")}
            assert counts == {"": 9, "@clean": 8, "@leaked": 1}
    assert numbers["untrained/slot_f1"]["value"] == 0.0


def test_linear_models_write_calls_of_sentences_they_have_not_seen(rehearsed: Outcome) -> None:
    numbers: Any = rehearsed.report["numbers"]
    assert [numbers[f"linear/{metric}"]["value"] for metric in ("intent", "json_valid")] == [1.0, 1.0]
    assert numbers["linear/slot_f1"]["value"] > 0.8


@pytest.mark.parametrize(("file", "rows"), [("train", 13084), ("valid", 700), ("test", 700)])
def test_every_call_of_snips_holds_the_slots_of_its_sentence(file: str, rows: int) -> None:
    path = shared("snips") / f"{file}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    calls = [
        json.loads(function("edit", "call_in_json")({"text": row["text"], "meta": row})["target"]) for row in found
    ]
    assert len(found) == rows
    for row, call in zip(found, calls, strict=True):
        assert call["intent"] == row["intent"]
        words = sum(len(value.split()) for values in call["slots"].values() for value in values)
        assert words == sum(tag != "O" for tag in row["bio"])
        assert sum(map(len, call["slots"].values())) == sum(tag.startswith("B-") for tag in row["bio"])


def test_snips_keeps_its_test_rows_and_the_leaked_ones_are_marked(tmp_path: Path) -> None:
    data_only = replace(recipe_on(shared("snips").resolve()), train=(), evaluate=None, serve=None)
    outcome = run_recipe(data_only, tmp_path, Quiet(), workers=1)
    lists: Any = outcome.report["lists"]
    assert (lists["official"]["in"], lists["official"]["kept"]) == (700, 700)
    assert (lists["known"]["in"], lists["known"]["quarantined"], lists["known"]["kept"]) == (13084, 0, 13084 - 225)
    tables = outcome.lists["official"].tables(["signal.leak.duplicates"])
    assert sum(sum(table["signal.leak.duplicates"].to_pylist()) for table in tables) == 26
