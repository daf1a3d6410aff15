"""The whole way, JSONL.gz in and Parquet out: a recipe run by `tunesmith run` beside datatrove's own executor."""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import peers
from checks.rows import Row
from timing import Ended, in_turns, ratio, run

SIDES = Path(__file__).parent / "sides"
SHARDS = 8  # files that a corpus is dealt out to: datatrove gives each core whole files
FEW = 16  # documents: a run on them takes as long as it takes to start
WHOLE_TEXT = 1 << 30  # characters of each document that its language is told from: datatrove reads them all
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
        without, with_language = _seconds(bench, shards, plain), _seconds(bench, shards, telling)
        rows += [*_rows(shards, plain, without, ">= 40"), *_rows(shards, telling, with_language, ">= 20")]
        rows += _language_shares(cores, shards, without, with_language)
    return [*rows, _slowest(bench, shards["corpus-300"], telling)]


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


def _seconds(bench: Bench, shards: dict[str, Shards], setting: Setting) -> dict[str, list[float]]:
    """How long each side took on what it was given, round by round."""
    ours(bench, shards["subset"], setting)  # the first run on a machine compiles
    given = {f"ours {name}": lambda part=part: ours(bench, part, setting)[0].seconds for name, part in shards.items()}
    for name, mode in (("few", "drop"), ("subset", "drop"), ("subset", "mark")):
        part = shards[name]
        given[f"{mode} {name}"] = lambda part=part, mode=mode: theirs(bench, part, setting, mode).seconds
    return in_turns(given, bench.times)


def _rows(shards: dict[str, Shards], setting: Setting, took: dict[str, list[float]], bar: str) -> list[Row]:
    """Documents a second and core of every side, and the ratio: our largest run with its start-up, the peer without."""
    gross = {side: _rates(shards, side, took[side], setting.cores) for side in took}
    net = {side: _rates(shards, side, took[side], setting.cores, _start(took, side)) for side in took}
    names = {"ours": "tunesmith", "drop": "datatrove", "mark": "datatrove, every filter on every document"}
    rows = []
    for side in (side for side in took if not side.endswith("few")):
        who, name = side.split()
        note = f"documents a second and core; {statistics.median(net[side]):,.0f} without start-up"
        value = statistics.median(gross[side])
        spread = min(gross[side]), max(gross[side])
        rows.append(Row(f"{setting}: {names[who]}, {name}", value, shards[name].documents, *spread, note=note))
    for mode, own_bar in (("drop", bar), ("mark", "")):
        value, low, high = ratio(gross["ours corpus-300"], net[f"{mode} subset"])
        note = "ours with start-up, the peer's without"
        what = f"{setting}: tunesmith, corpus-300 / {names[mode]}"
        rows.append(Row(what, value, shards["corpus-300"].documents, low, high, own_bar, note))
    return rows


def _start(took: dict[str, list[float]], side: str) -> Sequence[float]:
    return took["ours few" if side.startswith("ours") else "drop few"]


def _rates(
    shards: dict[str, Shards], side: str, took: Sequence[float], cores: int, start: Sequence[float] = ()
) -> list[float]:
    """Documents a second and core; without start-up where `start` says how long a run on few documents took."""
    documents = shards[side.split()[1]].documents
    if not start:
        return [documents / seconds / cores for seconds in took]
    # A side's run on few documents has no rate of its own.
    less = [max(seconds - few, 1e-9) for seconds, few in zip(took, start, strict=True)]
    return [max(documents - FEW, 1) / seconds / cores for seconds in less]


def _language_shares(
    cores: int, shards: dict[str, Shards], without: dict[str, list[float]], with_language: dict[str, list[float]]
) -> list[Row]:
    rows = []
    for who, side in (("tunesmith", "ours corpus-300"), ("datatrove", "drop subset")):
        shares = [1 - less / more for less, more in zip(without[side], with_language[side], strict=True)]
        what = f"{cores} core{'s' * (cores > 1)}: language's share of the time, {who}"
        n = shards[side.split()[1]].documents
        rows.append(Row(what, statistics.median(shares), n, min(shares), max(shares)))
    return rows


def _slowest(bench: Bench, given: Shards, setting: Setting) -> Row:
    """The operator that took the largest share of the pass, as the run's own report has it."""
    _, report = ours(bench, given, setting)
    seconds: dict[str, float] = report["lists"]["documents"]["operators"]
    name = max(seconds, key=lambda name: seconds[name])
    shares = ", ".join(f"{key} {seconds[key] / sum(seconds.values()):.0%}" for key in sorted(seconds, key=seconds.get))
    return Row(f"slowest operator: {name}", seconds[name] / sum(seconds.values()), given.documents, note=shares)
