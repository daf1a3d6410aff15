"""The whole way, JSONL.gz in and Parquet out: a recipe run by `tunesmith run` beside datatrove's own executor."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import peers
from checks.rows import Row
from timing import Ended, in_turns, ratio, run

SIDES = Path(__file__).parent / "sides"
SHARDS = 8  # files that a corpus is dealt out to: datatrove gives each core whole files
FEW = 16  # documents: a run on them takes as long as it takes to start
WHOLE_TEXT = 1 << 30  # characters of each document that its language is told from: datatrove reads them all
CLOCKS = {"seconds": "by the clock", "processor_s": "by processor time, which other work on the machine disturbs less"}
RECIPE = """\
name: bench
data:
  documents:
    - {{source: jsonl, path: "{folder}/*.jsonl.gz", license: CC0-1.0}}
{language}
    - preset: gopher
    - preset: c4
    - preset: fineweb
    - edit: redact_pii
"""
Turns = dict[str, list[Ended]]
LANGUAGE = "    - {{signal: language, model: {model}, characters: {characters}}}"


@dataclass(frozen=True)
class Bench:
    """Where things are, how many documents a slow peer is given, and how often each side runs."""

    corpus: Path
    peers: Path
    work: Path
    subset: int
    times: int


@dataclass(frozen=True)
class Shards:
    """A folder of .jsonl.gz files and how many documents they hold."""

    folder: Path
    documents: int


@dataclass(frozen=True)
class Setting:
    """On how many cores, and with which model of languages."""

    cores: int
    model: Path | None

    def __str__(self) -> str:
        """How a row of the table calls it."""
        return f"{self.cores} core{'s' * (self.cores > 1)} {'with' if self.model else 'without'} language"


def pipeline(bench: Bench) -> list[Row]:
    """Read, language, quality signals, PII, write: on one core and on two, without language and with it."""
    sizes = {"few": FEW, "subset": bench.subset, "corpus-50": None, "corpus-300": None}
    shards = {name: deal(bench, name, documents) for name, documents in sizes.items()}
    rows: list[Row] = []
    for cores in (1, 2):
        plain, telling = Setting(cores, None), Setting(cores, peers.language_model(bench.peers))
        without, with_it = _turns(bench, shards, plain), _turns(bench, shards, telling)
        rows += [*_rows(shards, plain, without, ">= 40"), *_rows(shards, telling, with_it, ">= 20")]
        rows += _language_shares(shards, telling, without, with_it)
        rows += [_slowest(bench, shards["corpus-300"], setting) for setting in (plain, telling)]
    return rows


def deal(bench: Bench, name: str, documents: int | None = None) -> Shards:
    """A corpus, or the first documents of corpus-50, dealt out to a few files."""
    source = bench.corpus / f"{'corpus-50' if documents else name}.jsonl"
    folder = bench.work / name
    folder.mkdir()
    number = 0
    with ExitStack() as open_files, source.open("rb") as lines:
        paths = [folder / f"{shard}.jsonl.gz" for shard in range(SHARDS)]
        files = [open_files.enter_context(gzip.open(path, "wb", compresslevel=3)) for path in paths]
        for number, line in enumerate(islice(lines, documents), 1):
            files[number % SHARDS].write(line)
    return Shards(folder, number)


def ours(bench: Bench, given: Shards, setting: Setting, *, watch: bool = False) -> tuple[Ended, dict[str, Any]]:
    """Run the recipe in a new workspace; gives how it went and its report. All documents must have come through."""
    workspace, recipe = bench.work / "workspace", bench.work / "recipe.yaml"
    language = LANGUAGE.format(model=setting.model, characters=WHOLE_TEXT) if setting.model else ""
    recipe.write_text(RECIPE.format(folder=given.folder, language=language), "utf-8")
    command = [sys.executable, "-m", "tunesmith.cli", "run", recipe, "--workspace", workspace]
    ended = run([*command, "--workers", str(setting.cores)], cores=setting.cores, watch=watch)
    report = json.loads((workspace / "runs" / "bench" / "report.json").read_text("utf-8"))
    _check(report["records"]["in"], given)
    shutil.rmtree(workspace)
    return ended, report


def theirs(bench: Bench, given: Shards, setting: Setting, mode: str) -> Ended:
    """Run datatrove's pipeline into a new folder; all documents must have been read."""
    out, python = bench.work / "datatrove", peers.python_of("datatrove", bench.peers)
    model = [setting.model] if setting.model else []
    command = [python, SIDES / "datatrove_pipeline.py", given.folder, out, str(setting.cores), mode, *model]
    ended = run(command, cores=setting.cores)
    _check(json.loads(ended.output.splitlines()[-1])["documents"], given)
    shutil.rmtree(out)
    return ended


def _check(documents: int, given: Shards) -> None:
    if documents != given.documents:
        raise RuntimeError(f"{documents:,} of {given.documents:,} documents came through")


def _turns(bench: Bench, shards: dict[str, Shards], setting: Setting) -> Turns:
    """How each side fared with what it was given, round by round."""
    ours(bench, shards["subset"], setting)  # the first run on a machine compiles
    given = {f"ours {name}": partial(_ours, bench, part, setting) for name, part in shards.items()}
    for name, mode in (("few", "drop"), ("subset", "drop"), ("subset", "mark")):
        given[f"{mode} {name}"] = partial(theirs, bench, shards[name], setting, mode)
    return in_turns(given, bench.times)


def _ours(bench: Bench, given: Shards, setting: Setting) -> Ended:
    return ours(bench, given, setting)[0]


def _rows(shards: dict[str, Shards], setting: Setting, turns: Turns, bar: str) -> list[Row]:
    """Documents a second and core of every side; the ratios are of our largest run with its start-up."""
    names = {"ours": "tunesmith", "drop": "datatrove", "mark": "datatrove, every filter on every document"}
    rows = []
    for side in (side for side in turns if not side.endswith("few")):
        who, name = side.split()
        rates = _rates(shards, setting, turns, side, "seconds")
        note = f"documents a second and core; {_without_start(shards, setting, turns, side)}"
        what = f"{setting}: {names[who]}, {name}"
        rows.append(Row(what, median(rates), shards[name].documents, min(rates), max(rates), note=note))
    for mode, clock, own_bar in (("drop", "seconds", bar), ("drop", "processor_s", ""), ("mark", "seconds", "")):
        mine = _rates(shards, setting, turns, "ours corpus-300", clock)
        value, low, high = ratio(mine, _rates(shards, setting, turns, f"{mode} subset", clock, net=True))
        what = f"{setting}: tunesmith, corpus-300 / {names[mode]}"
        note = f"{CLOCKS[clock]}; ours with start-up, the peer's without"
        rows.append(Row(what, value, shards["corpus-300"].documents, low, high, own_bar, note))
    return rows


def _rates(
    shards: dict[str, Shards], setting: Setting, turns: Turns, side: str, clock: str, *, net: bool = False
) -> list[float]:
    """Documents for each second of a core, round by round; `net` takes off what a run on few documents takes."""
    documents, spent = shards[side.split()[1]].documents, _spent(turns[side], setting, clock)
    if not net:
        return [documents / seconds for seconds in spent]
    start = _spent(turns[_start(side)], setting, clock)
    return [(documents - FEW) / (seconds - few) for seconds, few in zip(spent, start, strict=True)]


def _spent(turns: Sequence[Ended], setting: Setting, clock: str) -> list[float]:
    """The seconds of cores that a side had, or those that it kept them busy."""
    return [ended.seconds * setting.cores if clock == "seconds" else ended.processor_s for ended in turns]


def _start(side: str) -> str:
    return "ours few" if side.startswith("ours") else "drop few"


def _without_start(shards: dict[str, Shards], setting: Setting, turns: Turns, side: str) -> str:
    spent, start = (_spent(turns[name], setting, "seconds") for name in (side, _start(side)))
    if min(spent) < 2 * max(start):
        return f"start-up {median(start) / setting.cores:.1f} s is most of it"
    rate = median(_rates(shards, setting, turns, side, "seconds", net=True))
    return f"{rate:,.0f} without the start-up of {median(start) / setting.cores:.1f} s"


def _language_shares(shards: dict[str, Shards], setting: Setting, without: Turns, telling: Turns) -> list[Row]:
    """What share of the processor time language takes: the difference between runs with it and without."""
    rows = []
    for who, side in (("tunesmith", "ours corpus-300"), ("datatrove", "drop subset")):
        pairs = zip(*(_spent(turns[side], setting, "processor_s") for turns in (without, telling)), strict=True)
        shares = [1 - less / more for less, more in pairs]
        what, n = f"{setting}: language's share of {who}'s processor time", shards[side.split()[1]].documents
        rows.append(Row(what, median(shares), n, min(shares), max(shares)))
    return rows


def _slowest(bench: Bench, given: Shards, setting: Setting) -> Row:
    """The operator that took the largest share of the pass, as the run's own report has it."""
    _, report = ours(bench, given, setting)
    seconds: dict[str, float] = report["lists"]["documents"]["operators"]
    whole = sum(seconds.values())
    slowest, *others = sorted(seconds, key=lambda name: -seconds[name])
    note = ", ".join(f"{name} {seconds[name] / whole:.0%}" for name in others if seconds[name] >= 0.005 * whole)
    return Row(f"{setting}: slowest operator, {slowest}", seconds[slowest] / whole, given.documents, note=note)
