"""Kill a run from outside at seeded moments, run it again, and compare every byte with an undisturbed run.

`python -m tests.faults --kills 20` kills tests/tiny.yaml with SIGKILL, and its worker processes, at twenty moments that
are drawn uniformly from the time an undisturbed run takes. With `--during NAME` (more than one may be given) the kills
fall into the making of that checkpoint, in turn, at a moment that is drawn from the time it took; with `--processes 2`
trainings have two processes. It prints which stage each kill hit, and exits with 1 if any file under datasets,
checkpoints, reports or reviews is not the same in the end, or is left over.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.running import CLI, SETTLED, TINY, bytes_of, differences

STAGE = re.compile(r"^ {2}([\w ]+): [\d,]+ of [\d,]+", re.M)  # a line of progress
EXTRA: list[str] = []  # more words for each run
END = re.compile(r"^(\w+): [\d,]+ in,", re.M)  # a data list is done


@dataclass(frozen=True)
class Fault:
    """One killed run: when, in which stage, and what differed after it had been run again."""

    moment_s: float
    stage: str
    again_s: float
    different: list[str]


def command(recipe: Path, workspace: Path, sets: Sequence[str]) -> list[str]:
    changes = [word for change in sets for word in ("--set", change)]
    return [*CLI, "run", str(recipe), "--workspace", str(workspace), "--workers", "2", *EXTRA, *changes]


def undisturbed(recipe: Path, workspace: Path, sets: Sequence[str] = ()) -> float:
    """Run to the end; gives the seconds that took."""
    begun = time.monotonic()
    ended = subprocess.run(command(recipe, workspace, sets), capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"the undisturbed run ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return time.monotonic() - begun


def fault(
    recipe: Path,
    workspace: Path,
    moment_s: float,
    wanted: dict[str, str],
    sets: Sequence[str] = (),
    during: str | None = None,
) -> Fault:
    """Kill a run at this moment (of a checkpoint's training), run it again, and say what is not as wanted."""
    while (stage := _killed(command(recipe, workspace, sets), workspace, moment_s, during)) is None:
        moment_s /= 2
        shutil.rmtree(workspace)
    seconds = undisturbed(recipe, workspace, sets)
    found = differences(wanted, bytes_of(workspace))
    return Fault(moment_s, stage, seconds, found)


def _killed(started: list[str], workspace: Path, moment_s: float, during: str | None = None) -> str | None:
    """Start a run in a process group of its own and kill the group; gives the stage, None if it was over."""
    log = workspace.with_suffix(".log")
    with log.open("wb") as file:
        begun = time.monotonic()
        process = subprocess.Popen(started, stdout=file, stderr=file, start_new_session=True)
        while during is not None and process.poll() is None and not _trains(workspace, during):
            time.sleep(0.01)
            begun = time.monotonic()
        try:
            process.wait(max(0.0, moment_s - (time.monotonic() - begun)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return None if process.returncode == 0 else _stage(log.read_text("utf-8"), workspace)


def _trains(workspace: Path, name: str) -> bool:
    """Whether the training of a checkpoint has written a state."""
    keys = [folder.name for folder in (workspace / "checkpoints" / name).glob("*")]
    return any(list((workspace / "cache" / "resume" / key).glob("step-*.sha256")) for key in keys)


def _stage(log: str, workspace: Path) -> str:
    """The artifact that was in the making, else the last stage that was heard of."""
    folders = [folder for kind in SETTLED for folder in (workspace / kind).glob("*/*")]
    unfinished = [folder for folder in folders if not (folder / "manifest.json").exists()]
    if unfinished:
        newest = max(unfinished, key=lambda folder: folder.stat().st_mtime)
        return f"making {newest.parent.parent.name}/{newest.parent.name}"
    heard = [*STAGE.finditer(log), *END.finditer(log)]
    return f"after {max(heard, key=lambda found: found.start())[1]}" if heard else "starting"


def sweep(
    recipe: Path, kills: int, seed: int, folder: Path, sets: Sequence[str], during: Sequence[str] = ()
) -> list[Fault]:
    """The faults, one after the other, each in a workspace of its own; printed as they come."""
    reference = folder / "undisturbed"
    span_s = undisturbed(recipe, reference, sets)
    wanted = bytes_of(reference)
    print(f"{recipe.name}: undisturbed in {span_s:.1f} s, {len(wanted)} files to compare.", flush=True)
    draw = random.Random(seed)
    found = []
    for number in range(1, kills + 1):
        workspace = folder / f"kill_{number}"
        name = during[(number - 1) % len(during)] if during else None
        span_s = _seconds_of(reference, recipe, name) if name else span_s
        found.append(fault(recipe, workspace, draw.uniform(0, span_s), wanted, sets, name))
        print(line(number, found[-1]), flush=True)
        shutil.rmtree(workspace, ignore_errors=True)
    return found


def _seconds_of(workspace: Path, recipe: Path, step: str) -> float:
    """The seconds that a step took in a run, whose first part goes by before it trains."""
    told = json.loads((workspace / "runs" / recipe.stem / "run.json").read_text("utf-8"))
    return float(told["seconds"][step]) / 3


def line(number: int, one: Fault) -> str:
    """One row of the table."""
    result = "same bytes" if not one.different else f"DIFFERENT: {', '.join(one.different[:3])}"
    return f"{number:>3}  killed at {one.moment_s:5.1f} s  {one.stage:<34}  again {one.again_s:5.1f} s  {result}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a run at seeded moments and compare the bytes it ends with.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--recipe", type=Path, default=TINY)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="Change a parameter.")
    parser.add_argument("--during", action="append", default=[], metavar="NAME", help="Kill while this is trained.")
    parser.add_argument("--processes", type=int, default=1, help="Train in so many processes.")
    asked = parser.parse_args()
    EXTRA[:] = ["--processes", str(asked.processes)] if asked.processes > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        found = sweep(asked.recipe, asked.kills, asked.seed, Path(folder), asked.set, asked.during)
    different = sum(bool(one.different) for one in found)
    print(f"{len(found)} kills: {len(found) - different} ended with the same bytes, {different} did not.")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
