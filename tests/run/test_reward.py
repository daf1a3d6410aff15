"""Reward models in a recipe: from rankings to pairs, a reward step, its evaluation and its report."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest
from tests.running import CLI, Heard, bytes_of, differences, report_of, run, write_recipe, write_rows
from tests.train.train_toys import NOUNS, VERBS

from tunesmith.core.artifact import read_manifest
from tunesmith.models.reward_model import RewardModel
from tunesmith.web.report import report_html

RECIPE = """
name: rewards
base: scratch:0.1M
data:
  ranked:
    - {source: jsonl, path: ranked.jsonl, text: prompt, license: CC0-1.0}
    - {make: rankings, margin: 0.25}
    - {pass: split, parts: {train: 0.6, validation: 0.2, test: 0.2}}
train:
  - {reward: judge, data: ranked, tokenizer: {kind: words, vocabulary: 320}, steps: 40, batch_size: 16,
     learning_rate: 0.003}
evaluate:
  on: ranked.test
  metrics: [pair_accuracy]
  against: [longer]
waive:
  - {check: examples_least, reason: the test has few rows}
"""


def toy(folder: Path) -> Path:
    """64 prompts with three answers: please is the best, quick the worst, and length tells nothing."""
    rows = [
        {
            "prompt": f"{verb}_{noun} {number}",
            "answers": [f"quick {verb} it", f"please {verb} it", f"well {verb} it{' now' * number}"],
            "ranking": "A2 > A3 > A1",
        }
        for verb in VERBS
        for noun in NOUNS
        for number in (0, 1)
    ]
    write_rows(folder / "ranked.jsonl", rows)
    return write_recipe(folder, RECIPE)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rewards")
    run(toy(folder), folder / "ws", workers=1)
    return folder / "ws"


def found(report: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", report["training"]["judge"]["found"]["reward"])


def test_rankings_become_a_reward_model_that_beats_the_longer_answer(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "rewards"))
    assert report["lists"]["ranked"]["made"] == 3 * 64
    assert found(report)["accuracy"]["value"] > 0.9
    ours, longer = (report["numbers"][f"{arm}/pair_accuracy"]["value"] for arm in ("judge", "longer"))
    assert ours > 0.9 > longer
    assert report["curves"]["judge"][-1]["validation_accuracy"] > 0.9


def test_what_is_found_stands_in_the_manifest_and_on_the_page(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "rewards"))
    [folder] = (ran / "checkpoints" / "judge").iterdir()
    assert read_manifest(folder).facts["found"] == {"reward": found(report)}
    page = report_html(report)
    for told in ("Reward models", "reliability", "where the chosen answer is the shorter", found(report)["verdict"]):
        assert told in page
    assert len(RewardModel(folder).of_answers([{"messages": [{"role": "user", "content": "x"}]}], ["please"])) == 1


def test_a_recipe_of_rewards_is_done_once_and_ends_with_the_same_bytes_again(ran: Path, tmp_path: Path) -> None:
    show = Heard()
    run(ran.parent / "recipe.yaml", ran, show=show, workers=1)
    assert not [step for step in show.steps if step.startswith("train")]
    run(toy(tmp_path), tmp_path / "ws", workers=1)
    checkpoints = [
        {path: digest for path, digest in bytes_of(ws).items() if path.startswith("checkpoints")}
        for ws in (ran, tmp_path / "ws")
    ]
    assert checkpoints[0]
    assert not [path for path in differences(*checkpoints) if not path.endswith("manifest.json")]


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(ran: Path, tmp_path: Path) -> None:
    recipe = toy(tmp_path)
    command = [*CLI, "run", str(recipe), "--workspace", str(tmp_path / "ws")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list((tmp_path / "ws").glob("cache/resume/*/step-*.pt")):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    run(recipe, tmp_path / "ws", workers=1)
    [ours], [theirs] = ((ws / "checkpoints" / "judge").iterdir() for ws in (tmp_path / "ws", ran))
    for name in ("model.safetensors", "config.json", "curve.json"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
