"""How a run speaks while it works: progress bars in a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

RECORDS = "records"
WATCHED = ("loss", "tokens_a_second", "mfu")  # come first, as a line may be too short for all
LINE_WIDTH = 100
BAR_WIDTH = 20
TIMES_WIDTH = 19  # elapsed and remaining, and a space between two columns
EVERY_S = 10.0  # between two lines about one step, where there is no terminal


@dataclass
class Pace:
    """How fast each step goes, since the first time it was heard of."""

    begun: dict[str, tuple[float, int, float]] = field(default_factory=dict)  # step -> when, done and records by then

    def with_rate(self, step: str, done: int, numbers: Mapping[str, float]) -> dict[str, float]:
        """The numbers, with the records a second where records are counted."""
        records = numbers.get(RECORDS, 0.0)
        since, _, before = self.begun.setdefault(step, (time.monotonic(), done, records))
        spent = time.monotonic() - since
        return {**numbers, "a second": round((records - before) / spent)} if records > before and spent else {**numbers}

    def left_s(self, step: str, done: int, total: int) -> float:
        """About how many seconds a step still takes; 0 at its end or before there is anything to go by."""
        since, first, _ = self.begun[step]
        return (time.monotonic() - since) / (done - first) * (total - done) if done > first else 0.0


@dataclass
class Bars:
    """Sentences and progress bars on a terminal."""

    progress: Progress
    tasks: dict[str, TaskID] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace())

    def say(self, sentence: str) -> None:
        """Tell the user one thing, above the bars."""
        self.progress.console.print(sentence, highlight=False, markup=False)

    def progress_of(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Move a step's bar."""
        if step not in self.tasks:
            self.tasks[step] = self.progress.add_task(step, total=total, told="")
        task = self.tasks[step]
        room = self.progress.console.width - len(step) - BAR_WIDTH - len(f"{done}/{total}") - TIMES_WIDTH
        told = _told(self.pace.with_rate(step, done, numbers), room)
        self.progress.update(task, completed=done, total=total, told=told)
        if done >= total:
            self.progress.update(task, visible=False)


@dataclass
class Lines:
    """Sentences, and now and then a line about the step at hand."""

    console: Console
    last: dict[str, float] = field(default_factory=dict)
    pace: Pace = field(default_factory=lambda: Pace())

    def say(self, sentence: str) -> None:
        """Tell the user one thing."""
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def progress_of(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Tell how far a step is, every few seconds and at its end."""
        now = time.monotonic()
        numbers = self.pace.with_rate(step, done, numbers)
        if done < total and now - self.last.setdefault(step, now) < EVERY_S:
            return
        self.last[step] = now
        left = self.pace.left_s(step, done, total)
        begin, end = f"  {step}: {done:,} of {total:,} ", f"about {_duration(left)} left" if left else ""
        told = _told(numbers, LINE_WIDTH - len(begin) - len(end) - 2)
        self.say((begin + ", ".join(part for part in (told, end) if part)).rstrip())


def _told(numbers: Mapping[str, float], room: int | None = None) -> str:
    """The numbers of a step, those that people watch a training by first; as many as there is room for.

    >>> numbers = {"accuracy": 0.75, "mfu": 0.3142, "loss": 1.6449, "tokens_a_second": 12345.6}
    >>> _told(numbers), _told(numbers, room=30)
    ('loss 1.64, 12,300 tokens/s, MFU 31 %, accuracy 0.75', 'loss 1.64, 12,300 tokens/s')
    """
    first = [name for name in WATCHED if name in numbers]
    shown = [_say(name, numbers[name]) for name in [*first, *(each for each in numbers if each not in first)]]
    while room is not None and shown and len(", ".join(shown)) > room:
        shown.pop()
    return ", ".join(shown)


def _say(name: str, value: float) -> str:
    if name == "tokens_a_second":
        return f"{float(f'{value:.3g}'):,.0f} tokens/s"
    if name == "mfu":  # of all that the device could compute, the share that went into the model
        return f"MFU {100 * value:.{0 if value >= 0.1 else 1}f} %"
    whole = value >= 1000 or float(value).is_integer()
    return f"{name.replace('_', ' ')} {value:{',.0f' if whole else '.3g'}}"


def _duration(seconds: float) -> str:
    """A time to wait, in the unit that people would take.

    >>> _duration(95), _duration(600), _duration(9000)
    ('95 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Speaker:
    """What a run is shown through."""

    voice: Bars | Lines

    def say(self, sentence: str) -> None:
        """Tell the user one thing."""
        self.voice.say(sentence)

    def progress(self, step: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Tell how far a step is."""
        self.voice.progress_of(step, done, total, numbers)


@contextmanager
def speaking(console: Console) -> Iterator[Speaker]:
    """Bars on a terminal, lines elsewhere; the bars are gone when the block ends."""
    if not console.is_terminal:
        yield Speaker(Lines(console))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(BAR_WIDTH),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Speaker(Bars(progress))
