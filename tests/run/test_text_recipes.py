"""Whole recipes that learn from text: what they measure, what their gate says, and what is made of them afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from tests.run.text_toys import CHATS, TEXTS, TUNED, text_toy
from tests.running import Heard, artifacts, cli, report_of, run, write_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.models.local import LocalModel
from tunesmith.recipe import load_recipe
from tunesmith.run.serving import find_serving
from tunesmith.web.report import report_html

WITH_CHATS = TEXTS.replace("train:\n", f"{CHATS.strip(chr(10))}\ntrain:\n", 1).replace(
    "evaluate:\n", f"{TUNED}evaluate:\n"
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after a recipe: pre-trained on documents, tuned on chats, measured on documents."""
    folder = tmp_path_factory.mktemp("texts")
    recipe = WITH_CHATS.replace("  on: notes", "  candidates: [model, tuned]\n  on: notes")
    run(text_toy(folder, recipe), folder / "ws", workers=1)
    return folder / "ws"


def test_a_pretrained_model_is_measured_by_bits_per_byte_and_gated_against_random_weights(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "texts"))
    own, before = (report["numbers"][f"{name}/bits_per_byte"] for name in ("model", "untrained"))
    assert 0 < own["value"] < before["value"] < 8
    assert own["low"] < own["value"] < own["high"]
    assert report["gate"]["model"]["state"] == "passed"
    [check] = report["gate"]["model"]["checks"]
    assert check["lower_is_better"]
    assert check["value"] < -0.5
    [bits] = [
        one
        for one in report["comparisons"]
        if (one["candidate"], one["metric"], one["against"]) == ("model", "bits_per_byte", "untrained")
    ]
    assert bits["difference"]["high"] < 0


def test_bits_per_byte_are_those_of_the_documents_one_by_one(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "texts"))
    [folder] = (ran / "checkpoints" / "model").iterdir()
    [answers] = (ran / "reports" / "answers-model").glob("*/answers.json")
    given = [json.loads(one["text"]) for one in json.loads(answers.read_text("utf-8"))["answers"]]
    total = sum(one["nats"] for one in given) / sum(one["bytes"] for one in given)
    assert report["numbers"]["model/bits_per_byte"]["value"] == pytest.approx(total / 0.6931471805599453)
    example = report["examples"][0]
    [one] = LocalModel(folder).likelihoods([example["prompt"]])
    assert f"{one.nats:.1f} nats for {one.tokens} tokens, {one.bytes} bytes" in example["answers"]["model"]
    assert example["target"] is None


def test_the_report_and_the_page_tell_of_text(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "texts"))
    states = {each["rule"]: each["state"] for each in report["preflight"]["model"]["rules"]}
    assert (states["pretraining_sensible"], states["overlap"], states["near_overlap"]) == ("warned", "passed", "passed")
    assert states["examples_least"] == "not applicable"
    assert {each["rule"]: each["state"] for each in report["preflight"]["tuned"]["rules"]}["eos_trained"] == "passed"
    assert report["overlap"]["contaminated"] == 0
    assert "validation_bits_per_byte_web" in report["curves"]["model"][-1]
    page = report_html(report)
    assert "tokens of a document" in page
    assert "bits_per_byte" in page


def test_the_cards_say_what_the_models_are(ran: Path) -> None:
    [folder] = (ran / "checkpoints" / "tuned").iterdir()
    card = (folder / "README.md").read_text("utf-8")
    assert "| pretrain |" in card
    assert "| notes |" in card
    assert "| chats |" in card
    assert "bits_per_byte" in card


def test_what_was_done_is_not_done_again(ran: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ran.rglob("manifest.json")}
    show = Heard()
    run(ran.parent / "recipe.yaml", ran, show=show, workers=1)
    assert {path: path.stat().st_mtime_ns for path in ran.rglob("manifest.json")} == before
    assert not [step for step in show.steps if step.startswith(("train", "answer"))]


def test_a_record_tells_which_models_were_trained_on_it_and_a_model_of_text_is_exported(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "texts"))
    kept = report["lists"]["notes"]["samples"]["kept"][0]["id"]
    told = cli("why", kept, "--workspace", ran)
    assert told.code == 0, told.all
    done = cli("export", "model", "--to", ran.parent / "out", "--workspace", ran)
    assert done.code == 0, done.all
    assert (ran.parent / "out" / "README.md").is_file()


def test_a_model_without_a_template_is_not_served(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "texts"))
    serving = find_serving(ran, report, "model")  # one from scratch has a template of its own
    path = serving.checkpoint / "tokenizer_config.json"
    jinja = serving.checkpoint / "chat_template.jinja"
    before = path.read_text("utf-8"), jinja.read_text("utf-8") if jinja.is_file() else None
    config = {name: value for name, value in json.loads(before[0]).items() if name != "chat_template"}
    try:
        path.write_text(json.dumps(config), "utf-8")
        jinja.unlink(missing_ok=True)
        with pytest.raises(UserError, match="no chat template, so nobody can ask it"):
            find_serving(ran, report, "model")
    finally:
        path.write_text(before[0], "utf-8")
        if before[1] is not None:
            jinja.write_text(before[1], "utf-8")


def test_a_test_document_in_the_training_text_is_found_before_anything_is_trained(tmp_path: Path) -> None:
    official = "  official:\n    - {source: jsonl, path: official.jsonl}\n    - {pass: split, parts: {test: 1.0}}\n"
    recipe = TEXTS.replace("train:\n", f"{official}train:\n", 1).replace("on: notes.test", "on: official.test")
    path = text_toy(tmp_path, recipe.replace("test: 0.2", "validation: 0.3").replace("validation: 0.1, ", ""))
    known = [json.loads(line)["text"] for line in (tmp_path / "notes.jsonl").read_text("utf-8").splitlines()]
    write_rows(tmp_path / "official.jsonl", [{"text": text} for text in known])
    with pytest.raises(UserError, match="overlap") as refused:
        run(path, tmp_path / "ws", workers=1)
    assert "questions or documents of 80 test rows stand among the rows trained on" in str(refused.value)
    assert artifacts(tmp_path / "ws", "checkpoints") == set()


def test_check_data_tells_of_text_that_a_bare_base_may_learn(tmp_path: Path) -> None:
    done = cli("check", text_toy(tmp_path), "--data", "--workspace", tmp_path / "ws")
    assert done.code == 0, done.all
    assert "documents of the first" in done.out or "in windows of at most 32 tokens" in done.out
    assert "pretraining_sensible" in done.out
    assert "That is almost never sensible" in done.all


@pytest.mark.parametrize(
    ("change", "problem", "hint"),
    [
        (("[bits_per_byte, perplexity]", "[bits_per_byte, words]"), "ask for different things", "one recipe each"),
        (("against: [untrained]", "against: [nearest]"), "nearest gives answers", "untrained"),
        (("against: [untrained]", "against: [longer]"), "longer gives rewards", "untrained"),
        (("[bits_per_byte, perplexity]", "[pair_accuracy]"), "untrained is no reward model", "longer"),
    ],
)
def test_what_cannot_be_measured_together_is_a_mistake(
    change: tuple[str, str], problem: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        load_recipe(text_toy(tmp_path, TEXTS.replace(*change)))
    assert problem in str(refused.value)
    assert hint in str(refused.value)


def test_documents_have_no_answers_to_measure(tmp_path: Path) -> None:
    recipe = TEXTS.replace("[bits_per_byte, perplexity]", "[words]").partition("  gate:")[0]
    with pytest.raises(UserError, match="no messages"):
        run(text_toy(tmp_path, recipe), tmp_path / "ws", workers=1)


def test_chats_are_no_documents_to_measure(tmp_path: Path) -> None:
    recipe = WITH_CHATS.replace("on: notes.test", "on: chats.validation")
    with pytest.raises(UserError, match="is no document"):
        run(text_toy(tmp_path, recipe), tmp_path / "ws", workers=1)
    assert read_manifest(next((tmp_path / "ws" / "checkpoints" / "model").iterdir())).facts["trainer"] == "pretrain"
