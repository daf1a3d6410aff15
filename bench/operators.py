"""Single operators beside peers': processor seconds in a process of each, on the same documents and the same core."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import corpus
import peers
from checks.rows import Row
from pipeline import SIDES, Bench
from timing import in_turns, ratio, run

QUALITY_TAGGERS, PII_TAGGER = ("gopher_v2", "c4_v2"), "pii_regex_with_counts_fast_v2"


def quality(bench: Bench) -> list[Row]:
    """All quality signals in one call, beside datatrove's four filters and dolma's two taggers."""
    sides = operators(bench, {"datatrove": ["datatrove_filters.py"], "dolma": ["dolma_taggers.py", *QUALITY_TAGGERS]})
    return [
        beside(
            "all quality signals: datatrove's four filters / tunesmith", sides, "datatrove", "quality", ">= 300", bench
        ),
        beside(
            "all quality signals: dolma's gopher_v2 and c4_v2 / tunesmith", sides, "dolma", "quality", ">= 60", bench
        ),
    ]


def pii(bench: Bench) -> list[Row]:
    """Redaction of all kinds, beside dolma's fast tagger, which only finds three."""
    sides = operators(bench, {"dolma": ["dolma_taggers.py", PII_TAGGER]})
    return [beside("PII, all kinds: dolma's fast tagger / tunesmith", sides, "dolma", "pii", ">= 5", bench)]


def minhash(bench: Bench) -> list[Row]:
    """Signatures of 128 permutations over word 5-grams from text, beside datasketch with n-grams made in Python."""
    sides = operators(bench, {"datasketch": ["datasketch_minhash.py"]}, own="tunesmith_minhash.py")
    alone = {
        side: [{name: one for name, one in each.items() if name != "shingles"} for each in seconds]
        for side, seconds in sides.items()
    }
    label = "MinHash: datasketch {} / tunesmith from text"
    return [
        beside(label.format("from text"), sides, "datasketch", "minhash", ">= 40", bench),
        beside(label.format("from given n-grams"), alone, "datasketch", "minhash", "", bench),
    ]


Seconds = dict[str, float]


def operators(
    bench: Bench, commands: dict[str, list[str]], own: str = "tunesmith_operators.py"
) -> dict[str, list[Seconds]]:
    """The processor seconds of each operator of each side, round by round, on the same documents and the same core."""
    documents = bench.work / "subset.jsonl"
    with (bench.corpus / f"corpus-{corpus.SIZES_MB[0]}.jsonl").open("rb") as lines, documents.open("wb") as out:
        out.writelines(islice(lines, bench.subset))
    processes = {"tunesmith": [sys.executable, SIDES / own, documents]}
    for peer, (script, *more) in commands.items():
        processes[peer] = [peers.python_of(peer, bench.peers), SIDES / script, documents, *more]
    run(processes["tunesmith"], cores=1)  # the first run on a machine compiles
    return in_turns({side: partial(_operator_seconds, command) for side, command in processes.items()}, bench.times)


def _operator_seconds(command: list[str | Path]) -> Seconds:
    seconds: Seconds = json.loads(run(command, cores=1).output.splitlines()[-1])["seconds"]
    return seconds


def beside(what: str, sides: dict[str, list[Seconds]], peer: str, ours_is: str, bar: str, bench: Bench) -> Row:
    """How many times the peer's processor seconds are ours."""
    theirs = [sum(seconds.values()) for seconds in sides[peer]]
    mine = [seconds[ours_is] for seconds in sides["tunesmith"]]
    size = (bench.work / "subset.jsonl").stat().st_size / 1e6
    note = f"{size / median(mine):,.1f} MB/s and {size / median(theirs):,.2f} MB/s a core"
    value, low, high = ratio(theirs, mine)
    return Row(what, value, bench.subset, low, high, bar, note)
