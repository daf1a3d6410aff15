"""near_dedup as a whole process beside three peers, its memory on 2 GB, and how its time grows with size.

Peers that start from text in a file are held to the pass over a list that is stored already, with its start-up; the run
that reads the file first is printed beside it. A peer that is slow is given fewer documents, and the ratio is of
seconds for each megabyte; what datatrove takes to start is taken off then.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import corpus
import peers
from checks.rows import Row
from pipeline import FEW, SIDES, Bench
from stored import Stored, first, last_line, records_in, run_pass, size_mb, store, tunesmith
from timing import Ended, in_turns, ratio, run

RECIPE = """\
name: bench
data:
  documents:
    - {{source: parquet, path: "{file}", id: id, license: CC0-1.0}}
    - pass: near_dedup
"""
THRESHOLD, BANDS, BAND_ROWS = "0.8", "14", "8"  # datatrove's own bands
SMALLER_MB = (30, 300)
Turns = Mapping[str, Sequence[Ended]]


def near_dedup(bench: Bench) -> list[Row]:
    """Whole processes on one core: tunesmith's run and its pass alone, datatrove, text-dedup and rensa."""
    large = store(bench.corpus / f"corpus-{corpus.SIZES_MB[-1]}.jsonl", bench.work / "list")
    middle = bench.corpus / f"corpus-{corpus.SIZES_MB[0]}.jsonl"
    few, subset = (first(middle, count, bench.work / f"{count}.jsonl") for count in (FEW, bench.subset))
    run_pass(large, "near_dedup", bench.work / "scratch")  # the first run on a machine compiles
    turns = in_turns(
        {
            "run": partial(_whole_run, bench, large.rows),
            "pass": partial(run_pass, large, "near_dedup", bench.work / "scratch"),
            "rensa": partial(_rensa, bench, large),
            "text-dedup": partial(_text_dedup, bench, middle),
            "datatrove": partial(_datatrove, bench, subset),
            "datatrove few": partial(_datatrove, bench, few),
        },
        bench.times,
    )
    sizes = {"text-dedup": size_mb(middle), "datatrove": size_mb(subset) - size_mb(few), "datatrove few": 0.0}
    sizes |= dict.fromkeys(("run", "pass", "rensa"), large.megabytes)
    whole = Row("tunesmith run, Parquet to verdicts", *_rates(turns, sizes, "run", large.rows), note="MB/s on one core")
    alone = Row("tunesmith's pass alone", *_rates(turns, sizes, "pass", large.rows), note="MB/s on one core")
    bars = {"datatrove": ">= 60", "text-dedup": ">= 20", "rensa": ">= 4"}
    return [whole, alone, *(_ratio_row(turns, sizes, peer, bar, large.rows) for peer, bar in bars.items())]


def _ratio_row(turns: Turns, sizes: Mapping[str, float], peer: str, bar: str, n: int) -> Row:
    """How many times longer a peer takes for a megabyte than our pass does."""
    theirs, mine, whole = ([each / sizes[side] for each in _spent(turns, side)] for side in (peer, "pass", "run"))
    busy = median(_spent(turns, peer, "processor_s")) / sizes[peer]
    busy /= median(_spent(turns, "pass", "processor_s")) / sizes["pass"]
    value, low, high = ratio(theirs, mine)
    note = f"{1 / median(theirs):,.2f} MB/s on {sizes[peer]:,.0f} MB; by processor time {busy:,.1f}; "
    note += f"beside the whole run {ratio(theirs, whole)[0]:,.1f}"
    return Row(f"{peer} / tunesmith's pass", value, n, low, high, bar, note)


def _spent(turns: Turns, side: str, clock: str = "seconds") -> list[float]:
    """The seconds of each round; of datatrove those that a run on few documents takes are taken off."""
    spent = [getattr(ended, clock) for ended in turns[side]]
    starts = [getattr(ended, clock) for ended in turns.get(f"{side} few", ())] or [0.0] * len(spent)
    return [whole - start for whole, start in zip(spent, starts, strict=True)]


def _rates(turns: Turns, sizes: Mapping[str, float], side: str, n: int) -> tuple[float, int, float, float]:
    rates = [sizes[side] / seconds for seconds in _spent(turns, side)]
    return median(rates), n, min(rates), max(rates)


def _whole_run(bench: Bench, documents: int) -> Ended:
    recipe, workspace = bench.work / "recipe.yaml", bench.work / "workspace"
    file = bench.corpus / f"corpus-{corpus.SIZES_MB[-1]}.parquet"
    recipe.write_text(RECIPE.format(file=file), "utf-8")
    ended = tunesmith(recipe, workspace, cores=1)
    read = records_in(workspace)
    shutil.rmtree(workspace)
    return _all_read(ended, read, documents)


def _rensa(bench: Bench, given: Stored) -> Ended:
    python, script = peers.python_of("rensa", bench.peers), SIDES / "rensa_dedup.py"
    return _checked(run([python, script, "flags", THRESHOLD, *given.shards], cores=1), given.rows)


def _text_dedup(bench: Bench, file: Path) -> Ended:
    return _to_folder(bench, "text_dedup", file, [THRESHOLD])


def _datatrove(bench: Bench, file: Path) -> Ended:
    return _to_folder(bench, "datatrove", file, [BANDS, BAND_ROWS])


def _to_folder(bench: Bench, peer: str, file: Path, options: Sequence[str]) -> Ended:
    """A peer's MinHash into a new folder."""
    out = bench.work / peer
    ended = run([peers.python_of(peer, bench.peers), SIDES / f"{peer}_minhash.py", file, out, *options], cores=1)
    shutil.rmtree(out)
    return _checked(ended, len(file.read_bytes().splitlines()))


def _checked(ended: Ended, documents: int) -> Ended:
    return _all_read(ended, last_line(ended)["documents"], documents)


def _all_read(ended: Ended, read: int, documents: int) -> Ended:
    """A side's run; it must have read all documents."""
    if read != documents:
        raise RuntimeError(f"{read:,} of {documents:,} documents were read")
    return ended


def growth(bench: Bench) -> list[Row]:
    """The pass on 30 MB, 300 MB and 2 GB, once each on two cores: how its time grows, and the memory it holds."""
    given = {name: store(file, bench.work / name) for name, file in _sizes(bench).items()}
    scratch, largest = bench.work / "scratch", list(given)[-1]
    run_pass(given["few"], "near_dedup", scratch)  # the first run on a machine compiles
    ended = {name: run_pass(each, "near_dedup", scratch, cores=2, watch=True) for name, each in given.items()}
    start = ended.pop("few").seconds
    times = {given[name].megabytes: each.seconds for name, each in ended.items()}
    told = ", ".join(f"{size:,.0f} MB {seconds:.1f} s" for size, seconds in times.items())
    peak, rows = ended[largest].peak_bytes / 1e9, given[largest].rows
    return [
        Row("near_dedup: exponent of time over size", _slope(times), rows, note=f"{told}; start-up {start:.1f} s"),
        *_slopes({size: seconds - start for size, seconds in times.items()}, rows),
        Row("near_dedup: peak memory, 2 GB", peak, rows, bar="<= 1.5", note="GB of all its processes; 2 cores"),
    ]


def _sizes(bench: Bench) -> dict[str, Path]:
    """Files of a few documents, 30 MB, 300 MB and 2 GB, each with as many copies of a document as the largest has.

    corpus-2000 repeats corpus-300, each copy with a first line of its own; a smaller file has the same copies of the
    first documents alone, so that sizes differ and the share of near-duplicates does not.
    """
    largest = bench.corpus / f"corpus-{corpus.LARGE_MB}.jsonl"
    files = {"few": first(largest, FEW, bench.work / "few.jsonl")}
    with (bench.corpus / f"corpus-{corpus.SIZES_MB[-1]}.jsonl").open("rb") as lines:
        once = sum(1 for _ in lines)
    for wanted_mb in SMALLER_MB:
        taken = round(once * wanted_mb / size_mb(largest))
        files[str(wanted_mb)] = bench.work / f"{wanted_mb}.jsonl"
        with largest.open("rb") as lines, files[str(wanted_mb)].open("wb") as out:
            out.writelines(line for place, line in enumerate(lines) if place % once < taken)
    return files | {"largest": largest}


def _slopes(times: Mapping[float, float], n: int) -> list[Row]:
    """The exponent without start-up, over all sizes and between each and the next."""
    each = [(one, other, _slope({one: times[one], other: times[other]})) for one, other in pairwise(times)]
    note = ", ".join(f"{slope:.2f} from {one:,.0f} to {other:,.0f} MB" for one, other, slope in each)
    return [Row("near_dedup: exponent without start-up", _slope(times), n, bar="<= 1.1", note=note)]


def _slope(times: Mapping[float, float]) -> float:
    """The slope of the line through the logarithms of sizes and times, by least squares.

    >>> round(_slope({1.0: 3.0, 10.0: 300.0}), 6)
    2.0
    """
    sizes, spent = [math.log(size) for size in times], [math.log(seconds) for seconds in times.values()]
    middle, level = sum(sizes) / len(sizes), sum(spent) / len(spent)
    rise = sum((size - middle) * (one - level) for size, one in zip(sizes, spent, strict=True))
    return rise / sum((size - middle) ** 2 for size in sizes)
