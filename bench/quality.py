"""How well the data engine measures: `python bench/quality.py DATA [pii language ...]`; writes its results.

DATA is the folder of real data sets. Each part is a module in bench/checks with `measure(data) -> list[Row]`; without
names all of them run. A part that fails shows its traceback at the end, and the others run all the same.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from checks.rows import Row
from table import as_json, show

from tunesmith.core.artifact import write_json
from tunesmith.run.machine import describe_machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "quality.json"


def main() -> None:
    """Run the parts, print the table, write the results; ends with 1 if a part failed or a bar was missed."""
    asked = _arguments()
    parts, failed = _measured(asked.names or known(), asked.data)
    show(parts)
    _write(as_json(parts))
    for name, story in failed.items():
        print(f"\n{name} failed:\n{story}", file=sys.stderr)
    missed = [f"{name}: {row.what}" for name, rows in parts.items() for row in rows if row.passed is False]
    print(f"{len(parts)} parts measured, {len(failed)} failed, {len(missed)} bars missed. {'; '.join(missed)}")
    sys.exit(1 if failed or missed else 0)


def known() -> list[str]:
    """The names of all parts: the modules in bench/checks that measure."""
    modules = sorted((ROOT / "bench" / "checks").glob("*.py"))
    return [path.stem for path in modules if "\ndef measure(" in path.read_text("utf-8")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of data sets")
    parser.add_argument("names", nargs="*", choices=[[], *known()], help="the parts to run; all without names")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        parser.error(f"{asked.data} is no folder")
    return asked


def _measured(names: Sequence[str], data: Path) -> tuple[dict[str, list[Row]], dict[str, str]]:
    parts: dict[str, list[Row]] = {}
    failed: dict[str, str] = {}
    os.environ["TUNESMITH_DATA"] = str(data)  # for what a part shares with the tests
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            parts[name] = importlib.import_module(f"checks.{name}").measure(data)
        except Exception:  # whatever a part raises, the others are measured
            failed[name] = traceback.format_exc()
    return parts, failed


def _write(rows: dict[str, list[dict[str, object]]]) -> None:
    """The results, together with those of parts that were not run now."""
    before = json.loads(RESULTS.read_text("utf-8"))["parts"] if RESULTS.exists() else {}
    parts = {name: part for name, part in before.items() if name in known()}
    write_json(RESULTS, {"parts": parts | rows, "machine": describe_machine()})


if __name__ == "__main__":
    main()
