from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.registry import Named
from tunesmith.recipe import Recipe, load_recipe
from tunesmith.run import Outcome, run_recipe

ROOT = Path(__file__).parents[2]
BANKING77 = Path(os.environ.get("TUNESMITH_DATA", ROOT.parent / "shared" / "data")) / "banking77"
ASKED = {
    "opening_hours": "When do you open",
    "lost_key": "I lost my key",
    "Refund_not_here?": "Where is my refund",
    "change_address": "I have moved house",
}
ENDINGS = (" today", " please", ", hello", " in Lyon", " - urgent", " again", " by phone", " now")


class Quiet:
    def say(self, sentence: str) -> None: ...

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None: ...


def function(kind: str, name: str) -> Callable[..., Any]:
    return Named(kind, f"./intents.py:{name}", str(ROOT / "recipes")).load()


def recipe_on(folder: Path, *, steps: int | None = None) -> Recipe:
    paths = {"data.known.csv.path": str(folder / "train.csv"), "data.official.csv.path": str(folder / "test.csv")}
    return load_recipe(ROOT / "recipes" / "intents.yaml", sets=paths, steps=steps)


def leaked(outcome: Outcome) -> int:
    tables = outcome.lists["official"].tables(["signal.leak.duplicates"])
    return sum(sum(table["signal.leak.duplicates"].to_pylist()) for table in tables)


def write_table(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "category"), *rows])


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("intents")
    known = [(f"{text}{ending}", label) for label, text in ASKED.items() for ending in ENDINGS]
    write_table(folder / "train.csv", [*known, ("I LOST my key, today!", "lost_key")])
    fresh = [(f"{text} at night", label) for label, text in ASKED.items()]
    write_table(folder / "test.csv", [*fresh, ("when do you open today?", "opening_hours")])
    recipe = recipe_on(folder, steps=5)
    recipe = replace(recipe, waive={**recipe.waive, "examples_least": "a rehearsal of the recipe on 33 rows"})
    return run_recipe(recipe, folder / "workspace", Quiet(), workers=1)


def test_labels_become_words_in_the_answer_and_in_the_target() -> None:
    question, answer = {"role": "user", "content": "a_b?"}, {"role": "assistant", "content": "Refund_not_here?"}
    changed = function("edit", "label_in_words")({"messages": [question, answer]})
    assert changed["messages"] == [question, {"role": "assistant", "content": "Refund not here?"}]
    assert changed["target"] == "Refund not here?"


def test_an_answer_that_is_no_intent_is_told_apart_from_a_wrong_one() -> None:
    targets = ["lost key", "change address", "lost key"]
    assert function("metric", "known_intent")(["change address", " lost key ", "lost house"], targets) == [1, 1, 0]


def test_the_official_test_rows_are_all_kept_and_the_leaked_one_is_marked(rehearsed: Outcome) -> None:
    lists: Any = rehearsed.report["lists"]
    assert (lists["official"]["in"], lists["official"]["kept"], lists["official"]["parts"]) == (5, 5, {"test": 5})
    assert leaked(rehearsed) == 1
    assert lists["known"]["dropped"] == {"exact_dedup: duplicates > max 0": 1}


def test_the_svm_stands_beside_the_model_on_leaked_and_clean_rows(rehearsed: Outcome) -> None:
    numbers: Any = rehearsed.report["numbers"]
    for model in ("classifier", "linear_svm", "untrained", "nearest", "constant"):
        counts = {on: numbers[f"{model}/accuracy{on}"]["n"] for on in ("", "@clean", "@leaked")}
        assert counts == {"": 5, "@clean": 4, "@leaked": 1}
    assert numbers["linear_svm/accuracy"]["value"] == 1.0
    assert numbers["constant/known_intent"]["value"] == 0.0  # its label is none of these


def test_a_model_of_five_steps_is_refused_and_not_served(rehearsed: Outcome) -> None:
    gate: Any = rehearsed.report["gate"]
    assert gate["classifier"]["state"] == "failed"
    assert rehearsed.serving is None
    assert len({check["state"] for check in gate["classifier"]["checks"]}) == 1


@pytest.mark.skipif(not BANKING77.is_dir(), reason=f"{BANKING77} is absent; TUNESMITH_DATA names the data folder")
def test_banking77_keeps_its_test_rows_and_names_the_leaked_ones(tmp_path: Path) -> None:
    data_only = replace(recipe_on(BANKING77.resolve()), train=(), evaluate=None, serve=None)
    outcome = run_recipe(data_only, tmp_path, Quiet(), workers=1)
    lists: Any = outcome.report["lists"]
    assert (lists["official"]["in"], lists["official"]["kept"], leaked(outcome)) == (3080, 3080, 25)
    assert (lists["known"]["in"], lists["known"]["quarantined"]) == (10003, 0)
    assert lists["known"]["kept"] == 10003 - 31
