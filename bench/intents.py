"""The intents recipe on three seeds: `python bench/intents.py FOLDER` (with train.csv and test.csv of Banking77).

Every seed draws its own validation rows, its own initial weights and its own order of batches. Settings were chosen on
validation rows; the official test file is scored here only. Writes bench/results/intents.json.
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

from tunesmith.core.artifact import write_json
from tunesmith.recipe import load_recipe
from tunesmith.run import run_recipe
from tunesmith.run.machine import describe_machine
from tunesmith.web.progress import speaking

ROOT = Path(__file__).parents[1]
SEEDS = (7, 8, 9)
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
        reports = {seed: run(seed, asked.data.resolve(), asked.workspace or Path(folder)) for seed in SEEDS}
    found = results(reports)
    write_json(ROOT / "bench" / "results" / "intents.json", found)
    print(table(reports))
    print("seconds of each whole run: " + ", ".join(f"{report['wall_s']:.0f}" for report in reports.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of train.csv and test.csv")
    parser.add_argument("--workspace", type=Path, help="keep what the runs make here")
    return parser.parse_args()


def run(seed: int, data: Path, workspace: Path) -> dict[str, object]:
    """One whole run: its report, and the seconds it took (those of the first seed include all imports)."""
    begun = time.perf_counter()
    files = {"known": "train.csv", "official": "test.csv"}
    paths = {f"data.{name}.csv.path": str(data / file) for name, file in files.items()}
    recipe = load_recipe(ROOT / "recipes" / "intents.yaml", sets={**paths, "seed": seed, "name": f"intents-{seed}"})
    with speaking(Console(stderr=True)) as speaker:
        report = run_recipe(recipe, workspace, speaker).report
    return {**report, "wall_s": round(time.perf_counter() - begun, 1)}


def results(reports: Mapping[int, Report]) -> dict[str, object]:
    """The result file: ours beside the linear SVM, every number of every seed, and the machine."""
    ours, svm = (_values(reports, arm, "accuracy") for arm in ("classifier", "linear_svm"))
    return {
        "ratios": {"accuracy, classifier / linear SVM": round(statistics.mean(ours) / statistics.mean(svm), 4)},
        "accuracy": {"mean": round(statistics.mean(ours), 4), "sd": round(statistics.stdev(ours), 4)},
        "seeds": list(reports),
        "numbers": {seed: report["numbers"] for seed, report in reports.items()},
        "comparisons": {seed: report["comparisons"] for seed, report in reports.items()},
        "gate": {seed: report["gate"] for seed, report in reports.items()},
        "records": {seed: report["records"] for seed, report in reports.items()},
        "seconds": {seed: {**_seconds(report), "whole run": report["wall_s"]} for seed, report in reports.items()},
        "machine": describe_machine(),
    }


def table(reports: Mapping[int, Report]) -> str:
    """Each model's numbers as Markdown: the mean over the seeds, and each seed's with its 95 % interval."""
    arms = sorted(cast(Mapping[str, str], next(iter(reports.values()))["arms"]))
    lines = ["| model | measured | n | mean | each seed [95 % interval] |", "|---|---|---|---|---|"]
    for arm in arms:
        for metric in MEASURED:
            found = [_number(report, arm, metric) for report in reports.values()]
            mean = statistics.mean(number["value"] for number in found)
            lines.append(f"| {arm} | {metric} | {found[0]['n']:,} | {mean:.4f} | {_each(found)} |")
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
