"""The card of a checkpoint: everything in it comes from the run's report and the manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.running import artifacts, report_of, run, write_recipe, write_rows
from tests.train.train_toys import scratch_rows

from tunesmith.core.artifact import damaged, read_manifest
from tunesmith.recipe import load_recipe
from tunesmith.run.model_card import model_card
from tunesmith.run.model_card_numbers import limits

RECIPE = """\
name: carded  # ``` in a recipe breaks nothing
goal: format
base: scratch:0.1M
data:
  rows:
    - {source: jsonl, path: rows.jsonl, as: verbs, license: CC0-1.0}
    - {source: jsonl, path: more.jsonl, as: others}
    - pass: split
      parts: {train: 0.6, validation: 0.2, test: 0.2}
waive:
  - {check: examples_least, reason: the test has few rows}
  - {check: duplicates, reason: the test repeats rows}
  - {check: validation_set, reason: the test keeps none}
train:
  - {sft: first, steps: 8, batch_size: 8, learning_rate: 0.01, tokenizer: {vocabulary: 300}}
  - {sft: second, steps: 4, batch_size: 8, learning_rate: 0.001}
evaluate:
  on: rows.test
  metrics: [exact_match, rouge_l]
  candidates: [second]
  against: [first, {constant: {answer: Load the file.}}]
  slices: {old: {source: {allow: [verbs]}}, new: {source: {allow: [others]}}}
  gate: {rouge_l: {min: 0.99}}
"""
NUMBER = re.compile(r"(-?\d+\.\d{3}) \[(-?\d+\.\d{3}), (-?\d+\.\d{3})\]")


@dataclass(frozen=True)
class Carded:
    """A run, its recipe's folder, and the cards it wrote."""

    folder: Path
    report: dict[str, Any]

    def checkpoint(self, name: str) -> Path:
        return self.folder / "ws" / str(self.report["artifacts"][f"train.{name}"])

    def card(self, name: str) -> str:
        return (self.checkpoint(name) / "README.md").read_text("utf-8")


def run_at(folder: Path, text: str = RECIPE) -> Carded:
    rows = scratch_rows()
    write_rows(folder / "rows.jsonl", rows[:20])
    write_rows(folder / "more.jsonl", [*rows[20:], *({**row, "id": f"again{n}"} for n, row in enumerate(rows[:30]))])
    run(write_recipe(folder, text), folder / "ws")
    return Carded(folder, report_of(folder / "ws", "carded"))


@pytest.fixture(scope="module")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Carded:
    pytest.importorskip("torch")
    return run_at(tmp_path_factory.mktemp("carded"))


def front(text: str) -> dict[str, Any]:
    matter: dict[str, Any] = YAML(typ="safe").load(text.split("---\n")[1])
    return matter


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def tables(text: str) -> Iterator[list[dict[str, str]]]:
    """The tables of a section, a row as its cells by their column."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, flags=re.M):
        head, _, *rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in block.splitlines()]
        yield [dict(zip(head, row, strict=False)) for row in rows]


def same(told: str, number: Mapping[str, float | None]) -> bool:
    """Whether a cell says a number of the report, with its interval."""
    ends = [number["value"], number["low"], number["high"]]
    found = NUMBER.fullmatch(told)
    return found is not None and [float(each) for each in found.groups()] == [round(end or 0.0, 3) for end in ends]


def test_the_front_matter_has_what_a_hub_asks_for(carded: Carded) -> None:
    matter = front(carded.card("second"))
    assert matter["license"] == "unknown"
    assert matter["library_name"] == "transformers"
    assert matter["tags"] == ["tunesmith", "sft", "format"]
    assert "base_model" not in matter  # it has none: it began with random weights
    (result,) = matter["model-index"][0]["results"]
    assert result["dataset"] == {"name": "rows.test", "type": "rows"}
    told = {metric["type"]: metric["value"] for metric in result["metrics"]}
    numbers = carded.report["numbers"]
    assert told == {metric: numbers[f"second/{metric}"]["value"] for metric in ("exact_match", "rouge_l")}


@pytest.mark.parametrize("name", ["first", "second"])
def test_every_number_is_that_of_the_report(carded: Carded, name: str) -> None:
    whole, *others = tables(section(carded.card(name), "Numbers"))
    numbers = carded.report["numbers"]
    assert [row["metric"] for row in whole] == ["exact_match", "rouge_l"]
    for row in whole:
        assert int(row["n"]) == numbers[f"{name}/{row['metric']}"]["n"]
        for model in ("first", "second", "constant"):
            assert same(row[model], numbers[f"{model}/{row['metric']}"]), row
    slices = others[-1]
    assert {(row["metric"], row["slice"]) for row in slices} == {
        (metric, part) for metric in ("exact_match", "rouge_l") for part in ("old", "new")
    }
    for row in slices:
        assert same(row[name], numbers[f"{name}/{row['metric']}@{row['slice']}"])


def test_differences_are_those_of_the_report_and_undecided_ones_are_limits(carded: Carded) -> None:
    text = carded.card("second")
    differences = {(one["metric"], one["against"]): one["difference"] for one in carded.report["comparisons"]}
    told = list(tables(section(text, "Numbers")))[1]
    assert len(told) == 4  # two metrics against two models
    for row in told:
        assert same(row["difference"], differences[row["metric"], row["against"]])
    undecided = {(row["metric"], row["against"]) for row in told if row["reads"] == "undecided"}
    found = re.findall(r"Not told apart from (\S+) by (.*)\.", section(text, "Limits"))
    assert {(metric, model) for model, metrics in found for metric in metrics.split(", ")} == undecided
    assert len(list(tables(section(carded.card("first"), "Numbers")))) == 2  # an arm is compared with nobody


def test_data_and_training_are_those_of_the_manifests(carded: Carded) -> None:
    text = carded.card("second")
    steps, settings = tables(section(text, "How it was tuned"))
    manifests = [read_manifest(carded.checkpoint(name)) for name in ("first", "second")]
    assert [(row["step"], row["rows"], row["steps"], row["KEY"]) for row in steps] == [
        (one.name, str(one.counts["train"]), str(one.facts["steps"]), one.key) for one in manifests
    ]
    why = {row["setting"]: (row["value"], row["why"]) for row in settings}
    assert why["learning_rate"] == ("0.001", "as the recipe says")
    for setting in carded.report["training"]["second"]["settings"]:
        assert why[setting["name"]][1] == f"computed {setting['why']}"
    lists, sources, licences = tables(section(text, "Data"))
    rows = carded.report["lists"]["rows"]
    assert lists[0]["KEY"] == manifests[0].inputs["data"].partition("/")[2]
    assert lists[0]["rows"] == "train {train}, test {test}, validation {validation}".format(**rows["parts"])
    assert {row["source"]: int(row["records"]) for row in sources} == rows["sources"]
    assert {row["licence"]: int(row["records"]) for row in licences} == rows["licenses"]


def test_the_limits_name_what_a_user_would_miss(carded: Carded) -> None:
    limits = section(carded.card("second"), "Limits")
    rows = carded.report["lists"]["rows"]
    trained = rows["parts"]["train"]
    assert f"second was trained on {trained} rows, fewer than 1,000." in limits
    assert f"The licence of {rows['licenses']['unknown']} records of rows is not known." in limits
    assert "It was trained from random weights" in limits
    assert "people judged 0 records" in limits
    assert "no card of a base says it" in limits


def test_the_verdict_of_the_gate_and_the_checklist_are_told(carded: Carded) -> None:
    text = carded.card("second")
    (check,) = carded.report["gate"]["second"]["checks"]
    assert "The gate refused it." in section(text, "Gate")
    assert check["why"] in section(text, "Gate")
    assert "`tunesmith serve` does not serve it" in text
    (told,) = tables(section(text, "Checklist for fine-tuning"))
    items = [one for one in carded.report["checklist"] if one["list"] == "fine-tuning"]
    assert [(row["item"], row["state"]) for row in told] == [(one["item"], one["state"]) for one in items]


def test_the_recipe_is_folded_whole_even_with_a_fence_in_it(carded: Carded) -> None:
    block = section(carded.card("second"), "Recipe")
    assert block.strip().startswith("<details>")
    assert f"````yaml\n{RECIPE.rstrip()}\n````\n" in block


def test_the_code_of_the_card_answers(carded: Carded, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", section(carded.card("second"), "How to use it"), flags=re.S)[0]
    monkeypatch.chdir(carded.checkpoint("second"))
    said = StringIO()
    with redirect_stdout(said):
        exec(code, {})
    assert said.getvalue().endswith("\n")


def test_the_card_changes_no_artifact_and_a_rerun_writes_the_same(carded: Carded) -> None:
    before = {name: carded.card(name) for name in ("first", "second")}
    for folder in artifacts(carded.folder / "ws", "checkpoints"):
        assert "README.md" not in read_manifest(folder).files
        assert damaged(folder) == []
    again = run_at(carded.folder)
    assert {name: again.card(name) for name in before} == before
    assert carded.report["artifacts"] == again.report["artifacts"]


def test_the_card_made_from_the_written_report_is_the_same(carded: Carded) -> None:
    recipe = load_recipe(carded.folder / "recipe.yaml")
    again = model_card("second", carded.checkpoint("second"), recipe, carded.report)
    assert again == carded.card("second")


def test_an_adapter_is_told_as_one(carded: Carded, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "second" / "key"
    folder.mkdir(parents=True)
    manifest = json.loads((carded.checkpoint("first") / "manifest.json").read_text())
    base = {"name": "org/tiny", "revision": "1" * 40, "license": "apache-2.0"}
    manifest["facts"] |= {"base": base, "trained": 512, "template": "ab12"}
    manifest["inputs"]["start"] = f"org/tiny@{'1' * 40}"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "adapter_config.json").write_text("{}")
    recipe = load_recipe(carded.folder / "recipe.yaml")
    report = {**carded.report, "numbers": {}, "gate": {}}
    text = model_card("first", folder, recipe, report)
    matter = front(text)
    assert (matter["library_name"], matter["base_model"]) == ("peft", "org/tiny")
    assert (matter["base_model_relation"], matter["license"]) == ("adapter", "apache-2.0")
    assert "of which 512 were trained" in text
    assert f"`org/tiny` at the commit {'1' * 40}. Its licence, as its card has it: apache-2.0." in text
    assert "`ab12`" in text


def test_without_an_evaluation_there_is_a_card_that_says_so(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    alone = run_at(tmp_path, RECIPE.partition("evaluate:")[0])
    text = alone.card("second")
    assert section(text, "Numbers").strip() == "It was not evaluated."
    assert "model-index" not in front(text)
    assert "nothing is known of how well it does its task" in section(text, "Limits")


def test_the_hub_library_reads_the_card(carded: Carded) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(carded.checkpoint("second") / "README.md")
    assert card.data.library_name == "transformers"
    told = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert told["rouge_l"] == carded.report["numbers"]["second/rouge_l"]["value"]


def test_the_limits_tell_the_worst_slice_and_what_weakens_the_test(carded: Carded) -> None:
    recipe = load_recipe(carded.folder / "recipe.yaml", steps=2)
    numbers = {
        **carded.report["numbers"],
        "second/rouge_l": {"value": 0.5, "n": 15, "low": 0.4, "high": 0.6},
        "second/rouge_l@old": {"value": 0.25, "n": 6, "low": 0.1, "high": 0.4},
        "second/rouge_l@new": {"value": 0.6, "n": 9, "low": 0.5, "high": 0.7},
        "second/exact_match": {"value": 0.0, "n": 15, "low": 0.0, "high": 0.2},
        "second/exact_match@old": {"value": 0.0, "n": 6, "low": 0.0, "high": 0.4},
        "second/exact_match@new": {"value": 0.0, "n": 9, "low": 0.0, "high": 0.3},
    }
    overlap = {"rows": 15, "contaminated": 3}
    report = {**carded.report, "numbers": numbers, "overlap": overlap, "test_set": {"rows": 15, "scored": 4}}
    told = list(limits("second", recipe, report))
    assert "Worst slice by rouge_l: old, 0.250 [0.100, 0.400] (n 6), beside 0.500 [0.400, 0.600] over all rows." in told
    assert not any("by exact_match: " in one for one in told)  # no slice is worse than the whole
    assert "3 of 15 test rows overlap rows trained on." in told
    assert "A gate has scored this test set 4 times; the more often, the less a verdict means." in told
    assert "It comes from a rehearsal, which reads and trains less than its recipe says." in told
