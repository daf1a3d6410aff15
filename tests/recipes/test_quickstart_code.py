from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def quickstart() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart_code", RECIPES / "quickstart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Return the value.", 1.0),
        ("Test whether a file exists.", 1.0),
        ("Use e.g. a list.", 1.0),
        ("Returns the value.", 0.0),
        ("return the value.", 0.0),
        ("Return the value", 0.0),
        ("Return the value..", 0.0),
        ("Return the value. Then stop.", 0.0),
        ("The value.", 0.0),
        ("Name of the file.", 0.0),
        ("Return.", 0.0),
        ("", 0.0),
    ],
)
def test_style_is_one_capitalised_imperative_sentence_with_its_period(
    quickstart: ModuleType, answer: str, score: float
) -> None:
    assert quickstart.style(answer) == score


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Returns the value", "Return the value."),
        ("this method copies all files.", "Copy all files."),
        ("The helper class fixes names!", "Fix names."),
        ("Does nothing.", "Do nothing."),
        ("set the size", "Set the size."),
        ("Helper function to load a config", "Load a config."),
        ("Decorator that registers a class.", "Register a class."),
        ("A value.", "Return a value."),
        ("Number of rows", "Return the number of rows."),
        ("Whether it is open", "Return whether it is open."),
        ("True if all match.", "Return True if all match."),
        ("The file is closed.", None),
        ("Given a path, open it.", None),
        ("Returns one. Raises two.", None),
        ("Closes", None),
        ("", None),
    ],
)
def test_text_is_rewritten_only_where_the_rule_reaches(quickstart: ModuleType, text: str, expected: str | None) -> None:
    assert quickstart.rewrite(text) == expected


def test_a_rewritten_text_is_in_style_and_stays_as_it_is(quickstart: ModuleType) -> None:
    for verb in sorted(quickstart.verbs()):
        once = quickstart.rewrite(f"{verb} the value")
        assert quickstart.style(once) == 1.0
        assert quickstart.rewrite(once) == once


def test_a_pair_is_made_only_where_the_target_is_off_style_and_can_be_mended(quickstart: ModuleType) -> None:
    assert quickstart.house_style({"target": "Returns the value"}) == "Return the value."
    assert quickstart.house_style({"target": "Return the value."}) is None
    assert quickstart.house_style({"target": "Given a value."}) is None


def test_a_reference_out_of_reach_is_kept(quickstart: ModuleType) -> None:
    assert quickstart.house_normalised("Given a value") == "Given a value"
    assert quickstart.house_normalised("Gives the value") == "Give the value."


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("load_config(path, strict) -> Config", "Load the config."),
        ("Loader.close()", "Close the loader."),
        ("Loader.is_open() -> bool", "Is open."),
        ("JSONDecoder.decode2(s)", "Decode the 2."),
        ("_(text)", "Function."),
    ],
)
def test_the_heuristic_reads_the_name(quickstart: ModuleType, prompt: str, answer: str) -> None:
    assert quickstart.name_splitting(prompt) == answer


def test_the_verbs_are_sorted_lower_case_base_forms(quickstart: ModuleType) -> None:
    lines = (RECIPES / "verbs.txt").read_text(encoding="utf-8").split()
    assert lines == sorted(set(lines))
    assert all(line.isalpha() and line.islower() for line in lines)
    assert not {"returns", "returned", "returning", "the", "of"} & set(lines)
