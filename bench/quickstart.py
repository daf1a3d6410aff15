"""The quickstart on three seeds: `python bench/quickstart.py`; writes its results.

Every seed draws its own split by package, its own initial weights and its own order of batches, so that the spread over
seeds is that of the whole way. Settings were chosen on validation packages; the test packages are scored here only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
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
METRICS = ("style", "meaning", "rouge_l", "words", "distinct")
Numbers = Mapping[str, Mapping[str, float]]


def main() -> None:
    """Run the seeds one after another, print the table, write the results."""
    asked = _arguments()
    name = "quickstart_standard_library" if asked.standard_library else "quickstart"
    with tempfile.TemporaryDirectory() as folder:
        workspace = asked.workspace or Path(folder)
        reports = {seed: _run(seed, workspace, standard_library=asked.standard_library) for seed in SEEDS}
    results = _results(reports)
    write_json(ROOT / "bench" / "results" / f"{name}.json", results)
    print(table(cast(dict[str, dict[str, list[float]]], results["arms"])))
    print(json.dumps(results["gate"], indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--standard-library", action="store_true", help="read the standard library alone")
    parser.add_argument("--workspace", type=Path, help="keep what the runs make here")
    return parser.parse_args()


def _run(seed: int, workspace: Path, *, standard_library: bool) -> Mapping[str, object]:
    sets: dict[str, object] = {"seed": seed, "name": f"quickstart-{seed}"}
    if standard_library:
        sets["data.functions.python_code.installed"] = False
    recipe = load_recipe(ROOT / "recipes" / "quickstart.yaml", sets=sets)
    with speaking(Console(stderr=True)) as speaker:
        return run_recipe(recipe, workspace, speaker).report


def _results(reports: Mapping[int, Mapping[str, object]]) -> dict[str, object]:
    arms = {str(arm): None for report in reports.values() for arm in cast(Mapping[str, str], report["arms"])}
    values = {arm: {metric: [_value(r, arm, metric) for r in reports.values()] for metric in METRICS} for arm in arms}
    style = values["tuned"]["style"], values["writer"]["style"]
    meaning = values["tuned"]["meaning"], values["writer"]["meaning"]
    return {
        "ratios": {
            "style after / before": round(statistics.mean(style[0]) / statistics.mean(style[1]), 4),
            "meaning after / before": round(statistics.mean(meaning[0]) / statistics.mean(meaning[1]), 4),
        },
        "seeds": list(reports),
        "arms": values,
        "records": {seed: report["records"] for seed, report in reports.items()},
        "gate": {seed: _verdicts(report) for seed, report in reports.items()},
        "comparisons": {seed: report["comparisons"] for seed, report in reports.items()},
        "seconds": {seed: report["seconds"] for seed, report in reports.items()},
        "machine": describe_machine(),
    }


def _value(report: Mapping[str, object], arm: str, metric: str) -> float:
    return cast(Numbers, report["numbers"])[f"{arm}/{metric}"]["value"]


def _verdicts(report: Mapping[str, object]) -> dict[str, object]:
    gate = cast(Mapping[str, Mapping[str, object]], report["gate"])
    return {
        name: {
            "state": verdict["state"],
            "why": [check["why"] for check in cast(Sequence[Mapping[str, object]], verdict["checks"])],
        }
        for name, verdict in gate.items()
    }


def table(arms: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Mean and range over the seeds, arm by arm, as Markdown."""
    lines = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for arm, metrics in arms.items():
        cells = [f"{statistics.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in (metrics[m] for m in METRICS)]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
