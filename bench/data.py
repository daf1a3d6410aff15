"""The data engine beside its peers, in one run: `python bench/data.py [--rows pii,memory]`; writes its results.

Every comparison is of processes that run in turns on the same cores. Documents are those of bench/corpus.py; a slow
peer is given the first of them only. "From" and "to" are the smallest and the largest number of one round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import corpus
import peers
from checks.rows import Row
from pipeline import SIDES, Bench, Setting, deal, ours, pipeline
from table import as_json, show
from timing import in_turns, ratio, run

from tunesmith.core.artifact import write_json
from tunesmith.run.machine import describe_machine

RESULTS = Path(__file__).parent / "results" / "data.json"
LEAST = 300  # documents
QUALITY_TAGGERS, PII_TAGGER = ("gopher_v2", "c4_v2"), "pii_regex_with_counts_fast_v2"


def main() -> None:
    """Measure what is asked for, print the table, write the results; ends with 1 if a bar was missed."""
    asked = _arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    corpus.build(asked.corpus, large="memory" in asked.rows)
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


def quality(bench: Bench) -> list[Row]:
    """All quality signals in one call, beside datatrove's four filters and dolma's two taggers."""
    sides = _operators(bench, {"datatrove": ["datatrove_filters.py"], "dolma": ["dolma_taggers.py", *QUALITY_TAGGERS]})
    return [
        _beside(
            "all quality signals: datatrove's four filters / tunesmith", sides, "datatrove", "quality", ">= 300", bench
        ),
        _beside(
            "all quality signals: dolma's gopher_v2 and c4_v2 / tunesmith", sides, "dolma", "quality", ">= 60", bench
        ),
    ]


def pii(bench: Bench) -> list[Row]:
    """Redaction of all kinds, beside dolma's fast tagger, which only finds three."""
    sides = _operators(bench, {"dolma": ["dolma_taggers.py", PII_TAGGER]})
    return [_beside("PII, all kinds: dolma's fast tagger / tunesmith", sides, "dolma", "pii", ">= 5", bench)]


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


Seconds = dict[str, float]


def _operators(bench: Bench, commands: dict[str, list[str]]) -> dict[str, list[Seconds]]:
    """The processor seconds of each operator of each side, round by round, on the same documents and the same core."""
    documents = bench.work / "subset.jsonl"
    with (bench.corpus / f"corpus-{corpus.SIZES_MB[0]}.jsonl").open("rb") as lines, documents.open("wb") as out:
        out.writelines(islice(lines, bench.subset))
    processes = {"tunesmith": [sys.executable, SIDES / "tunesmith_operators.py", documents]}
    for peer, (script, *more) in commands.items():
        processes[peer] = [peers.python_of(peer, bench.peers), SIDES / script, documents, *more]
    run(processes["tunesmith"], cores=1)  # the first run on a machine compiles
    return in_turns({side: partial(_operator_seconds, command) for side, command in processes.items()}, bench.times)


def _operator_seconds(command: list[str | Path]) -> Seconds:
    seconds: Seconds = json.loads(run(command, cores=1).output.splitlines()[-1])["seconds"]
    return seconds


def _beside(what: str, sides: dict[str, list[Seconds]], peer: str, ours_is: str, bar: str, bench: Bench) -> Row:
    """How many times the peer's processor seconds are ours."""
    theirs = [sum(seconds.values()) for seconds in sides[peer]]
    mine = [seconds[ours_is] for seconds in sides["tunesmith"]]
    size = (bench.work / "subset.jsonl").stat().st_size / 1e6
    note = f"{size / median(mine):,.1f} MB/s and {size / median(theirs):,.2f} MB/s a core"
    value, low, high = ratio(theirs, mine)
    return Row(what, value, bench.subset, low, high, bar, note)


ROWS = {"pipeline": pipeline, "quality": quality, "pii": pii, "memory": memory}

if __name__ == "__main__":
    main()
