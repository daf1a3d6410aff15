"""The intents recipe on three seeds: `python bench/intents.py FOLDER` (with train.csv and test.csv of Banking77).

Every seed draws its own validation rows, its own initial weights and its own order of batches. Settings were chosen on
validation rows; the official test file is scored here only. Writes bench/results/intents.json.

With `--shots 10` every seed also draws ten training rows of each intent, and model, linear SVM and nearest neighbour
learn from these 770 rows alone: there are no validation rows, so the last weights stay, after a fixed number of steps.
Writes bench/results/intents_10.json.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from rich.console import Console
from ruamel.yaml import YAML

from tunesmith.core.artifact import write_json
from tunesmith.recipe import load_recipe
from tunesmith.run import run_recipe
from tunesmith.run.machine import describe_machine
from tunesmith.web.progress import speaking

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "intents.yaml"
FEW = {"steps": 600, "batch_size": 32, "prompt_dropout": 0.3}  # chosen on training rows that were not drawn
MEASURED = ("accuracy", "accuracy@clean", "accuracy@leaked", "known_intent")
Report = Mapping[str, object]
Number = Mapping[str, float]


def main() -> None:
    """Run the seeds one after another, print the table, write the results; without the data, say so and stop."""
    asked = _arguments()
    if missing := [name for name in ("train.csv", "test.csv") if not (asked.data / name).is_file()]:
        print(f"Skipped: {asked.data} holds no {' and no '.join(missing)}.")
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or Path(folder)
        reports = {seed: run(seed, asked.data.resolve(), workspace, asked.shots) for seed in asked.seeds}
    shots = f"_{asked.shots}" if asked.shots else ""
    write_json(asked.out or ROOT / "bench" / "results" / f"intents{shots}.json", results(reports))
    print(table(reports))
    print("seconds of each whole run: " + ", ".join(f"{report['wall_s']:.0f}" for report in reports.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of train.csv and test.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--shots", type=int, help="learn from so many rows of each intent, drawn by the seed")
    parser.add_argument("--out", type=Path, help="write the results here")
    parser.add_argument("--workspace", type=Path, help="keep what the runs make here")
    return parser.parse_args()


def run(seed: int, data: Path, workspace: Path, shots: int | None = None) -> dict[str, object]:
    """One whole run: its report, and the seconds it took (those of the first seed include all imports)."""
    begun = time.perf_counter()
    files = {"known": "train.csv", "official": "test.csv"}
    paths = {f"data.{name}.csv.path": str(data / file) for name, file in files.items()}
    named = {"seed": seed, "name": f"intents-{seed}" + (f"-{shots}" if shots else "")}
    recipe = load_recipe(RECIPE, sets={**(few(shots) if shots else {}), **paths, **named})
    with speaking(Console(stderr=True)) as speaker:
        report = run_recipe(recipe, workspace, speaker).report
    return {**report, "wall_s": round(time.perf_counter() - begun, 1)}


def few(shots: int) -> dict[str, object]:
    """What `--set` changes in the recipe: so many rows of each intent are drawn, all for training, and its settings."""
    recipe = YAML(typ="safe", pure=True).load(RECIPE)
    steps = recipe["data"]["known"]
    allowed = [*recipe["waive"], {"check": "validation_set", "reason": "its few rows are all learnt from"}]
    before = [step for step in steps if step.get("pass") != "split"]
    drawn = [{"pass": "sample", "rows": shots, "each": "target"}, {"pass": "split", "parts": {"train": 1.0}}]
    return {
        "data.known": [*before, *drawn],
        "waive": allowed,
        **{f"train.classifier.{name}": value for name, value in FEW.items()},
    }


def results(reports: Mapping[int, Report]) -> dict[str, object]:
    """The result file: ours beside the linear SVM, every number of every seed, and the machine."""
    ours, svm = (_values(reports, arm, "accuracy") for arm in ("classifier", "linear_svm"))
    return {
        "ratios": {"accuracy, classifier / linear SVM": round(statistics.mean(ours) / statistics.mean(svm), 4)},
        "accuracy": {"mean": round(statistics.mean(ours), 4), "sd": _spread(ours)},
        "seeds": list(reports),
        "numbers": {seed: report["numbers"] for seed, report in reports.items()},
        "comparisons": {seed: report["comparisons"] for seed, report in reports.items()},
        "gate": {seed: report["gate"] for seed, report in reports.items()},
        "records": {seed: report["records"] for seed, report in reports.items()},
        "seconds": {seed: {**_seconds(report), "whole run": report["wall_s"]} for seed, report in reports.items()},
        "machine": describe_machine(),
    }


def _spread(values: Sequence[float]) -> float | None:
    return round(statistics.stdev(values), 4) if len(values) > 1 else None


def table(reports: Mapping[int, Report]) -> str:
    """Each model's numbers as Markdown: the mean over the seeds, and each seed's with its 95 % interval."""
    arms = sorted(cast(Mapping[str, str], next(iter(reports.values()))["arms"]))
    lines = ["| model | measured | n | mean | each seed [95 % interval] |", "|---|---|---|---|---|"]
    for arm in arms:
        for metric in MEASURED:
            found = [_number(report, arm, metric) for report in reports.values()]
            there = [number for number in found if number["n"]]
            if there:  # a slice may be empty in all of them
                mean = statistics.mean(number["value"] for number in there)
                lines.append(f"| {arm} | {metric} | {there[0]['n']:,} | {mean:.4f} | {_each(there)} |")
    return "\n".join(lines)


def _each(found: Sequence[Number]) -> str:
    return ", ".join(f"{number['value']:.4f} [{number['low']:.4f}, {number['high']:.4f}]" for number in found)


def _values(reports: Mapping[int, Report], arm: str, metric: str) -> list[float]:
    return [_number(report, arm, metric)["value"] for report in reports.values()]


def _number(report: Report, arm: str, metric: str) -> Number:
    return cast(Mapping[str, Number], report["numbers"])[f"{arm}/{metric}"]


def _seconds(report: Report) -> Number:
    return cast(Number, report["seconds"])


if __name__ == "__main__":
    main()
