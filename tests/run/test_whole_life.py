"""A whole life in one recipe: pre-training, domain tuning, chats, a reward model and reinforcement learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from tests.run.text_toys import CHATS, text_toy
from tests.running import Heard, cli, report_of, run, write_rows
from tests.train.train_toys import NOUNS, VERBS, pair_rows

from tunesmith.core.artifact import read_manifest
from tunesmith.core.errors import UserError
from tunesmith.models.local import LocalModel
from tunesmith.recipe import load_recipe
from tunesmith.run.serving import check_answers

RECIPE = f"""
name: life
base: scratch:0.1M
seed: 1
data:
  general:
    - {{source: jsonl, path: notes.jsonl, domain: web}}
    - {{pass: split, parts: {{train: 0.8, validation: 0.2}}}}
  code:
    - {{source: jsonl, path: code.jsonl, domain: code}}
    - {{pass: split, parts: {{train: 0.7, validation: 0.3}}}}
{CHATS.strip(chr(10)).replace("{train: 0.8, validation: 0.2}", "{train: 0.7, validation: 0.1, test: 0.2}")}
  pairs:
    - {{source: jsonl, path: pairs.jsonl}}
    - {{pass: split, parts: {{train: 0.7, validation: 0.3}}}}
train:
  - {{pretrain: model, data: general, steps: 20, batch_size: 8, length: 32, learning_rate: 0.01,
     tokenizer: {{vocabulary: 400}}, init: {{length: 128}}}}
  - {{domain: expert, data: code, replay: general, replay_share: 0.25, steps: 10, batch_size: 8, length: 32}}
  - {{sft: tuned, data: chats, steps: 30, batch_size: 16, learning_rate: 0.01}}
  - {{reward: judge, data: pairs, steps: 6, batch_size: 8}}
  - {{rlhf: better, data: chats, steps: 3, batch_size: 4, generations: 2, max_new_tokens: 12,
     reward: {{rouge_l: 1, judge: 0.1}}}}
evaluate:
  on: chats.test
  metrics: [rouge_l]
  against: [tuned]
waive:
  - {{check: examples_least, reason: a toy}}
  - {{check: duplicates, reason: a toy}}
"""


def toy(folder: Path, recipe: str = RECIPE) -> Path:
    path = text_toy(folder, recipe)
    write_rows(folder / "pairs.jsonl", pair_rows())
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("life")
    run(toy(folder), folder / "ws", workers=1)
    return folder / "ws"


def checkpoint(workspace: Path, name: str) -> Path:
    [folder] = (workspace / "checkpoints" / name).iterdir()
    return folder


def test_each_step_is_examined_by_what_it_learns(ran: Path) -> None:
    report = cast("dict[str, Any]", report_of(ran, "life"))
    learns = {name: found["learns"] for name, found in report["preflight"].items()}
    assert learns == {"model": "texts", "expert": "texts", "tuned": "chats", "judge": "pairs", "better": "prompts"}
    better = {each["rule"]: each["state"] for each in report["preflight"]["better"]["rules"]}
    assert (better["trained_tokens"], better["truncation"], better["overlap"]) == ("not applicable", "passed", "passed")


def test_a_reward_model_is_no_start_of_what_comes_behind_it(ran: Path) -> None:
    assert read_manifest(checkpoint(ran, "better")).inputs["start"] == f"tuned/{checkpoint(ran, 'tuned').name}"
    with pytest.raises(UserError, match="'judge' is a reward model"):
        load_recipe(toy(ran.parent / "from", RECIPE.replace("reward: {rouge_l", "from: judge, reward: {rouge_l")))


def test_text_that_was_replayed_is_part_of_what_a_model_was_trained_on(ran: Path) -> None:
    expert = checkpoint(ran, "expert")
    assert read_manifest(expert).inputs["replay"].startswith("general/")
    card = (expert / "README.md").read_text("utf-8")
    assert "| code |" in card
    assert "| general |" in card


def test_a_reward_model_writes_no_answers_and_is_served_nowhere(ran: Path) -> None:
    judge = checkpoint(ran, "judge")
    with pytest.raises(UserError, match="judges answers and writes none"):
        check_answers(judge)
    with pytest.raises(UserError, match="is a reward model"):
        LocalModel(judge)
    done = cli("export", "judge", "--to", ran.parent / "judge", "--workspace", ran)
    assert done.code == 0, done.all
    card = (ran.parent / "judge" / "README.md").read_text("utf-8")
    assert "pipeline_tag: text-classification" in card
    assert "A reward model of" in card
    assert "RewardModel" in card


def test_nothing_is_done_twice(ran: Path) -> None:
    show = Heard()
    run(ran.parent / "recipe.yaml", ran, show=show, workers=1)
    assert not [step for step in show.steps if step.startswith(("train", "answer"))]


def test_a_test_row_in_text_that_is_replayed_refuses_the_step(tmp_path: Path) -> None:
    path = toy(tmp_path)
    rows = (tmp_path / "notes.jsonl").read_text("utf-8")
    words = [(verb, noun, n) for verb in VERBS for noun in NOUNS[:2] for n in range(6)]
    asked = "".join(f'{{"text": "how do i {verb} {noun} {n}"}}\n' for verb, noun, n in words)
    (tmp_path / "notes.jsonl").write_text(rows + asked, "utf-8")
    text = path.read_text("utf-8")
    before, _, behind = text.partition("  - {pretrain")
    first = "  - {sft: first, data: chats, steps: 1, batch_size: 8}\n"  # it learns none of the text
    path.write_text(f"{before}{first}  - {{domain{behind.partition('  - {domain')[2]}", "utf-8")
    with pytest.raises(UserError, match="the pre-flight of expert refuses to train") as refused:
        run(path, tmp_path / "ws", workers=1)
    assert "overlap (max 0)" in str(refused.value)


def test_a_reward_that_measures_no_answers_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bits_per_byte measures likelihood, not answers"):
        load_recipe(toy(tmp_path, RECIPE.replace("reward: {rouge_l: 1, judge: 0.1}", "reward: bits_per_byte")))


def test_a_reward_model_is_not_asked_for_answers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="judge is a reward model, and the metrics ask for answers"):
        load_recipe(toy(tmp_path, RECIPE.replace("against: [tuned]", "against: [judge]")))
