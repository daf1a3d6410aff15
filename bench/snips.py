"""The calls recipe on three seeds: `python bench/snips.py FOLDER` (with train.jsonl.gz and test.jsonl.gz of SNIPS).

Every seed draws its own validation rows, its own initial weights and its own order of batches. Settings were chosen on
valid.jsonl.gz; the official test file is scored here only. Writes bench/results/snips.json.
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
FILES = {"known": "train.jsonl.gz", "official": "test.jsonl.gz"}
MEASURED = ("intent", "slot_f1", "same_call", "json_valid", "intent@clean", "slot_f1@clean", "same_call@clean")
# As others report them on the same split, with slots by position (conlleval): not measured here.
PUBLISHED = {
    "slot-gated network (Goo et al. 2018, NAACL N18-2118)": {"intent": 0.970, "slot_f1": 0.888, "same_call": 0.755},
    "a linear tagger": {"intent": 0.979, "slot_f1": 0.912, "same_call": 0.817},
}
Report = Mapping[str, object]
Number = Mapping[str, float]


def main() -> None:
    """Run the seeds one after another, print the table, write the results; without the data, say so and stop."""
    asked = _arguments()
    if missing := [name for name in FILES.values() if not (asked.data / name).is_file()]:
        print(f"Skipped: {asked.data} holds no {' and no '.join(missing)}.")
        return
    with tempfile.TemporaryDirectory() as folder:
        reports = {seed: run(seed, asked.data.resolve(), asked.workspace or Path(folder)) for seed in asked.seeds}
    write_json(asked.out, results(reports))
    print(table(reports))
    print("seconds of each whole run: " + ", ".join(f"{report['wall_s']:.0f}" for report in reports.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of train.jsonl.gz and test.jsonl.gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--workspace", type=Path, help="keep what the runs make here")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "snips.json")
    return parser.parse_args()


def run(seed: int, data: Path, workspace: Path) -> dict[str, object]:
    """One whole run: its report, and the seconds it took (those of the first seed include all imports)."""
    begun = time.perf_counter()
    paths = {f"data.{name}.jsonl.path": str(data / file) for name, file in FILES.items()}
    recipe = load_recipe(ROOT / "recipes" / "snips.yaml", sets={**paths, "seed": seed, "name": f"snips-{seed}"})
    with speaking(Console(stderr=True)) as speaker:
        report = run_recipe(recipe, workspace, speaker).report
    return {**report, "wall_s": round(time.perf_counter() - begun, 1)}


def results(reports: Mapping[int, Report]) -> dict[str, object]:
    """The result file: ours beside the linear models and the published numbers, every number of every seed."""
    return {
        "ratios": {f"{name}, caller / linear": _ratio(reports, name) for name in MEASURED[:3]},
        "published": PUBLISHED,
        "mean": {name: round(statistics.mean(_values(reports, "caller", name)), 4) for name in MEASURED},
        "seeds": list(reports),
        "numbers": {seed: report["numbers"] for seed, report in reports.items()},
        "comparisons": {seed: report["comparisons"] for seed, report in reports.items()},
        "gate": {seed: report["gate"] for seed, report in reports.items()},
        "records": {seed: report["records"] for seed, report in reports.items()},
        "seconds": {
            seed: {**cast(Number, report["seconds"]), "whole run": report["wall_s"]} for seed, report in reports.items()
        },
        "machine": describe_machine(),
    }


def table(reports: Mapping[int, Report]) -> str:
    """Each model's numbers as Markdown: the mean over the seeds, each seed's with its 95 % interval; the published."""
    arms = sorted(cast(Mapping[str, str], next(iter(reports.values()))["arms"]))
    lines = ["| model | measured | n | mean | each seed [95 % interval] |", "|---|---|---|---|---|"]
    for arm in arms:
        for metric in MEASURED:
            found = [_number(report, arm, metric) for report in reports.values()]
            mean = statistics.mean(number["value"] for number in found)
            lines.append(f"| {arm} | {metric} | {found[0]['n']:,} | {mean:.4f} | {_each(found)} |")
    published = [(name, metric, value) for name, of in PUBLISHED.items() for metric, value in of.items()]
    lines += [f"| {name} | {metric} | 700 | {value:.3f} | published |" for name, metric, value in published]
    return "\n".join(lines)


def _each(found: Sequence[Number]) -> str:
    return ", ".join(f"{number['value']:.4f}{_interval(number)}" for number in found)


def _interval(number: Number) -> str:
    return f" [{number['low']:.4f}, {number['high']:.4f}]" if number.get("low") is not None else ""


def _ratio(reports: Mapping[int, Report], metric: str) -> float:
    ours, linear = (statistics.mean(_values(reports, arm, metric)) for arm in ("caller", "linear"))
    return round(ours / linear, 4)


def _values(reports: Mapping[int, Report], arm: str, metric: str) -> list[float]:
    return [_number(report, arm, metric)["value"] for report in reports.values()]


def _number(report: Report, arm: str, metric: str) -> Number:
    return cast(Mapping[str, Number], report["numbers"])[f"{arm}/{metric}"]


if __name__ == "__main__":
    main()
