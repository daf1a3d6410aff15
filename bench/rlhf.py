"""Learning from a reward on the quickstart: `python bench/rlhf.py --workspace FOLDER`; writes bench/results/rlhf.json.

The start is the quickstart's writer, which knows no preference, trained anew for each seed. Rewards are the quickstart's
style metric, a reward model that learns the quickstart's pairs, and one that can be gamed: words, with and without the
guards. Rows, split and settings are the quickstart's; seeds differ in initial weights, order and sampled answers, on one
split by package. Settings were chosen on validation packages with the first seed; 1,000 test rows are scored here only.
What is trained stays in the workspace and is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from rich.console import Console
from ruamel.yaml import YAML

from tunesmith.core.artifact import write_json
from tunesmith.core.hashing import unit_interval
from tunesmith.data.dataset import Dataset, open_dataset
from tunesmith.evaluate.metrics.rouge_l import rouge_l
from tunesmith.evaluate.metrics.words import words
from tunesmith.models.base import Sampling
from tunesmith.models.local import LocalModel
from tunesmith.models.rows import chat_of, target_of
from tunesmith.recipe import load_recipe
from tunesmith.run import run_recipe
from tunesmith.run.machine import describe_machine
from tunesmith.run.train_rows import TrainRows
from tunesmith.run.training import watched
from tunesmith.stats.intervals import mean, paired_difference
from tunesmith.train.job import Job, Reward, Row, Scratch, Trained
from tunesmith.train.rlhf import rlhf
from tunesmith.train.sft import sft
from tunesmith.web.progress import speaking

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"
SEEDS = (7, 8, 9)
TEST_ROWS = 1000


@dataclass(frozen=True)
class Bench:
    """The lists of the quickstart, its own functions, and where things are kept."""

    workspace: Path
    lists: Mapping[str, Dataset]
    quickstart: ModuleType

    def job(self, name: str, start: Path | Scratch, data: str, seed: int, reward: Reward | None = None) -> Job:
        """A training on a list, into the workspace."""
        rows = (TrainRows(self.lists[data], part) for part in ("train", "validation"))
        folder = self.workspace / "trained" / f"{name}-{seed}"
        job = Job(start, *rows, folder / "out", folder / "resume", seed, print, lambda *_: None, watch=watched)
        return replace(job, reward=reward)


def main() -> None:
    """Train and score every seed, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True, help="what is trained is kept here")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--only-writers", action="store_true", help="train the starts and stop")
    asked = parser.parse_args()
    _one_thread()
    bench = _bench(asked.workspace.resolve())
    if asked.only_writers:
        for seed in asked.seeds:
            writer(bench, seed)
        return


def _one_thread() -> None:
    import torch

    torch.set_num_threads(int(os.environ.get("TUNESMITH_THREADS", "1")))


def _bench(workspace: Path) -> Bench:
    """The quickstart's lists, made once: its recipe without what it trains and evaluates."""
    workspace.mkdir(parents=True, exist_ok=True)
    for name in ("quickstart.py", "verbs.txt"):
        shutil.copy(RECIPES / name, workspace / name)
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # the first key of a step is its kind
    recipe = yaml.load(RECIPES / "quickstart.yaml")
    lists = {name: value for name, value in recipe.items() if name in ("name", "goal", "seed", "data")}
    path = workspace / "lists.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(lists, file)
    with speaking(Console(stderr=True)) as speaker:
        report = run_recipe(load_recipe(path), workspace, speaker).report
    artifacts = cast("Mapping[str, str]", report["artifacts"])
    made = {name: open_dataset(workspace / artifacts[f"data.{name}"]) for name in ("functions", "pairs")}
    spec = spec_from_file_location("quickstart", workspace / "quickstart.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return Bench(workspace, made, module)


def writer(bench: Bench, seed: int) -> Path:
    """The quickstart's writer of a seed: the start."""
    recipe = YAML(typ="safe", pure=True).load(RECIPES / "quickstart.yaml")
    step = recipe["train"][0]
    start = Scratch("1M", step["tokenizer"], step["init"])
    given = {name: step[name] for name in ("steps", "learning_rate", "weight_decay", "repetition_penalty")}
    return _kept(bench.job("writer", start, "functions", seed), lambda job: sft(job, patience=None, **given))


def _kept(job: Job, train: Callable[[Job], Trained]) -> Path:
    """The folder of a training, trained now unless it is there; what was found lies beside it."""
    found = job.out.parent / "found.json"
    if not found.is_file():
        shutil.rmtree(job.out, ignore_errors=True)
        begun = time.perf_counter()
        trained = train(job)
        seconds = round(time.perf_counter() - begun, 1)
        write_json(
            found,
            {
                "steps": trained.steps,
                "seconds": seconds,
                "chosen": trained.chosen,
                "warnings": list(trained.warnings),
                "curve": trained.curve,
                "facts": dict(trained.facts),
            },
        )
    return job.out


if __name__ == "__main__":
    main()
