"""exact_dedup and line_dedup beside Polars doing the same on the same files of Parquet, on one core."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median

import corpus
import peers
from checks.rows import Row
from pipeline import FEW, SIDES, Bench
from stored import Stored, first, last_line, run_pass, store
from timing import Ended, in_turns, ratio, run

BAR = "<= 1.2"
LEAST = 7  # documents that a line must stand in


def polars(bench: Bench) -> list[Row]:
    """Our time over Polars', as whole processes and without their start-up, on 300 MB and on 2 GB."""
    middle = bench.corpus / f"corpus-{corpus.SIZES_MB[0]}.jsonl"
    few = store(first(middle, FEW, bench.work / "few.jsonl"), bench.work / "few")
    rows = []
    for size in (corpus.SIZES_MB[-1], corpus.LARGE_MB):
        given = store(bench.corpus / f"corpus-{size}.jsonl", bench.work / str(size))
        for mode in ("exact", "lines"):
            rows += _rows(bench, mode, given, few, f"corpus-{size}")
    return rows


def _rows(bench: Bench, mode: str, given: Stored, few: Stored, name: str) -> list[Row]:
    sides = {
        "ours": partial(_ours, bench, mode, given),
        "polars": partial(_polars, bench, mode, given),
        "ours few": partial(_ours, bench, mode, few),
        "polars few": partial(_polars, bench, mode, few),
    }
    sides["ours few"]()  # the first run on a machine compiles
    turns = in_turns(sides, bench.times)
    seconds = {side: [ended.seconds for ended in turns[side]] for side in turns}
    whole = ratio(seconds["ours"], seconds["polars"])
    net = {
        side: [max(all_ - start, 1e-3) for all_, start in zip(seconds[side], seconds[f"{side} few"], strict=True)]
        for side in ("ours", "polars")
    }
    busy = ratio([e.processor_s for e in turns["ours"]], [e.processor_s for e in turns["polars"]])
    note = f"{median(seconds['ours']):.2f} s and {median(seconds['polars']):.2f} s; by processor time {busy[0]:.2f}"
    label = f"{mode}_dedup, {name}" if mode == "exact" else f"line_dedup, {name}"
    without, low, high = ratio(net["ours"], net["polars"])
    return [
        Row(f"{label}: tunesmith / Polars", whole[0], given.rows, whole[1], whole[2], BAR, note),
        Row(f"{label}: the same without start-up", without, given.rows, low, high, BAR),
    ]


def _ours(bench: Bench, mode: str, given: Stored) -> Ended:
    if mode == "exact":
        return run_pass(given, "exact_dedup", bench.work / "scratch")
    return run_pass(given, "line_dedup", bench.work / "scratch", documents=LEAST)


def _polars(bench: Bench, mode: str, given: Stored) -> Ended:
    least = [str(LEAST)] if mode == "lines" else []
    out = bench.work / "polars.parquet"
    command: list[str | Path] = [peers.python_of("polars", bench.peers), SIDES / "polars_dedup.py", mode, out]
    ended = run([*command, *least, *given.shards], cores=1)
    if last_line(ended)["documents"] == 0:
        raise RuntimeError("Polars has read no documents")
    return ended
