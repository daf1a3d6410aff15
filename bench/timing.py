"""Whole processes timed side by side: pinned to cores, in turns, with the memory of all that they start."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
SAMPLE_S = 0.05
TOLD = 2000  # characters of what a failed process wrote
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
SESSION = 3  # of the fields of /proc/PID/stat that follow the command's name


@dataclass(frozen=True)
class Ended:
    """A process that has ended well: its time, the processor time of all that it started, what it printed and held."""

    seconds: float
    processor_s: float
    output: str
    peak_bytes: int


def run(command: Sequence[str | Path], *, cores: int, folder: Path | None = None, watch: bool = False) -> Ended:
    """Run a command on the last `cores` cores that may be used; with `watch`, sample the memory of its session."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1)  # what outlives the command is waited for here, so that its time counts
    pinned = sorted(os.sched_getaffinity(0))[-cores:]
    begun, busy = perf_counter(), _children_s()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | ONE_THREAD, preexec_fn=lambda: os.sched_setaffinity(0, pinned),
    )  # fmt: skip
    peaks = [0]
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended), daemon=True)
    if watch:
        sampler.start()
    output, errors = process.communicate()
    seconds = perf_counter() - begun
    ended.set()
    _wait_for_orphans()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{errors[-TOLD:]}")
    return Ended(seconds, _children_s() - busy, output, max(peaks))


def in_turns(sides: Mapping[str, Callable[[], T]], times: int) -> dict[str, list[T]]:
    """What each side gives, `times` times, one side after the other in every round."""
    measured: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(times):
        for name, side in sides.items():
            print(f"round {turn + 1} of {times}: {name}", file=sys.stderr, flush=True)
            measured[name].append(side())
    return measured


def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of the medians, and the smallest and largest ratio of one round.

    >>> ratio([10.0, 20.0, 30.0], [2.0, 2.0, 5.0])
    (10.0, 5.0, 10.0)
    """
    each = [a / b for a, b in zip(over, under, strict=True)]
    return statistics.median(over) / statistics.median(under), min(each), max(each)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait_for_orphans() -> None:
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def _sample(session: int, peaks: list[int], ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_S):
        peaks.append(sum(map(_memory, _members(session))))


def _members(session: int) -> list[Path]:
    """The processes of a session: the command and all that it started."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            if int(fields[SESSION]) == session:
                found.append(path)
    return found


def _memory(process: Path) -> int:
    """The bytes a process holds, shared pages divided among those that share them."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
