"""How long `tunesmith --help` takes beside `python -c pass`, in turns: `python bench/startup.py` writes its results."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tunesmith.core.artifact import write_json
from tunesmith.run.machine import describe_machine

ROOT = Path(__file__).parents[1]
TIMES = 15
HELP = (sys.executable, "-m", "tunesmith.cli", "--help")
PASS = (sys.executable, "-c", "pass")


def main() -> None:
    """Run both in turns, print the medians and their difference."""
    took = [(_seconds(*HELP), _seconds(*PASS)) for _ in range(TIMES)]
    help_s, pass_s = (statistics.median(column) for column in zip(*took, strict=True))
    print(f"tunesmith --help {help_s:.3f} s, python -c pass {pass_s:.3f} s: {help_s - pass_s:.3f} s more (bar 0.3)")
    results = {
        "ratios": {"help / pass": round(help_s / pass_s, 2)},
        "seconds": {"help": round(help_s, 4), "pass": round(pass_s, 4), "more": round(help_s - pass_s, 4)},
        "times": TIMES,
        "machine": describe_machine(),
    }
    write_json(ROOT / "bench" / "results" / "startup.json", results)


def _seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
