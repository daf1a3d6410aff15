"""The data engine beside its peers, in one run: `python bench/data.py [--rows pii,memory]`; writes its results.

Every comparison is of processes that run in turns on the same cores. Documents are those of bench/corpus.py; a slow
peer is given the first of them only. "From" and "to" are the smallest and the largest number of one round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import corpus
import peers
from checks.rows import Row
from exact_and_line import polars
from near_dedup import growth, near_dedup
from operators import minhash, pii, quality
from overlap import contamination
from pipeline import Bench, Setting, deal, ours, pipeline
from table import as_json, show

from tunesmith.core.artifact import write_json
from tunesmith.run.machine import describe_machine

RESULTS = Path(__file__).parent / "results" / "data.json"
LEAST = 300  # documents


def main() -> None:
    """Measure what is asked for, print the table, write the results; ends with 1 if a bar was missed."""
    asked = _arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    corpus.build(asked.corpus, large=not LARGE.isdisjoint(asked.rows))
    parts = {}
    for name in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.work) as folder:
            parts[name] = ROWS[name](Bench(asked.corpus, asked.peers, Path(folder), asked.subset, asked.times))
        show({name: parts[name]})
    before = json.loads(RESULTS.read_text("utf-8"))["parts"] if RESULTS.exists() else {}
    write_json(RESULTS, {"parts": before | as_json(parts), "rounds": asked.times, "machine": describe_machine()})
    sys.exit(any(row.passed is False for rows in parts.values() for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_names, default=list(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--corpus", type=Path, default=corpus.default_folder(), help="the folder of bench/corpus.py")
    parser.add_argument("--peers", type=Path, default=peers.default_folder(), help="the folder of bench/peers.py")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()), help="where runs write; 8 GB for memory"
    )
    parser.add_argument("--subset", type=int, default=1500, help="documents that slow peers are given")
    parser.add_argument("--times", type=int, default=3, help="rounds")
    asked = parser.parse_args()
    if asked.subset < LEAST:
        parser.error(f"--subset: {LEAST} at least, or a peer's run is mostly its start-up")
    return asked


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"there is no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    return names


def memory(bench: Bench) -> list[Row]:
    """The most memory that a run holds, over all its processes, on 300 MB and on 2 GB."""
    setting = Setting(cores=2, model=peers.language_model(bench.peers))
    peaks = {}
    for name in (f"corpus-{corpus.SIZES_MB[-1]}", f"corpus-{corpus.LARGE_MB}"):
        given = deal(bench, name)
        peaks[name] = ours(bench, given, setting, watch=True)[0].peak_bytes / 1e9
    small, large = peaks.values()
    note = "GB, shared pages counted once, sampled every 50 ms; 2 cores, with language"
    return [
        *(Row(f"peak memory, {name}", peak, 1, bar="<= 1.5", note=note) for name, peak in peaks.items()),
        Row("peak memory, 2 GB / 300 MB", large / small, 1, bar="<= 1.2"),
    ]


ROWS = {
    "pipeline": pipeline,
    "quality": quality,
    "pii": pii,
    "memory": memory,
    "near_dedup": near_dedup,
    "growth": growth,
    "minhash": minhash,
    "polars": polars,
    "contamination": contamination,
}
LARGE = frozenset({"memory", "growth", "polars"})  # rows that corpus-2000 is made for

if __name__ == "__main__":
    main()
