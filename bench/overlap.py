"""contamination beside the least that it could take: cutting the same texts into words and hashing them."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from statistics import median

import corpus
from checks.rows import Row
from pipeline import Bench
from stored import SIDES, last_line, store
from timing import in_turns, ratio, run

BENCHMARKS = ("gsm8k/test.jsonl.gz", "humaneval/HumanEval.jsonl.gz")
FOLDER = Path(__file__).parents[2] / "shared" / "data"  # beside the checkout, as for tests


def contamination(bench: Bench) -> list[Row]:
    """The pass over 300 MB with an index of GSM8K and HumanEval, beside tokenising alone; needs TUNESMITH_DATA."""
    files = [Path(os.environ.get("TUNESMITH_DATA", FOLDER)) / name for name in BENCHMARKS]
    if missing := [path for path in files if not path.exists()]:
        raise SystemExit(f"{missing[0]} is not there; TUNESMITH_DATA names the folder of data sets.")
    given = store(bench.corpus / f"corpus-{corpus.SIZES_MB[-1]}.jsonl", bench.work / "list")
    command = [sys.executable, SIDES / "tunesmith_overlap.py", given.folder, bench.work / "scratch", *files]
    told = [last_line(ended) for ended in in_turns({"all": partial(run, command, cores=1)}, bench.times)["all"]]
    seconds = {name: [each["seconds"][name] for each in told] for name in told[0]["seconds"]}
    size = told[0]["bytes"] / 1e6
    tokenising, comparing = (
        [whole - reading for whole, reading in zip(seconds[name], seconds["read"], strict=True)]
        for name in ("read and tokenise", "pass")
    )
    note = f"{size / median(comparing):,.0f} and {size / median(tokenising):,.0f} MB/s of one core, without reading"
    both = ratio(seconds["read and tokenise"], seconds["pass"])
    return [
        Row(
            "contamination: speed beside tokenising alone",
            *_spread(ratio(tokenising, comparing), given.rows),
            ">= 0.5",
            note,
        ),
        Row(
            "contamination: the same with reading", *_spread(both, given.rows), note=f"{len(files)} files of benchmarks"
        ),
    ]


def _spread(found: tuple[float, float, float], n: int) -> tuple[float, int, float, float]:
    value, low, high = found
    return value, n, low, high
