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
EVERY_S = 10.0  # between two lines about one step, where there is no terminal


@dataclass
class Pace:
    """How fast each step goes, since the first time it was heard of."""

    begun: dict[str, tuple[float, float]] = field(default_factory=dict)  # step -> when, and how many records by then

    def with_rate(self, step: str, numbers: Mapping[str, float]) -> dict[str, float]:
        """The numbers, with the records a second where records are counted."""
        records = numbers.get(RECORDS, 0.0)
        since, before = self.begun.setdefault(step, (time.monotonic(), records))
        spent = time.monotonic() - since
        return {**numbers, "a second": round((records - before) / spent)} if records > before and spent else {**numbers}

    def left_s(self, step: str, done: int, total: int) -> float:
        """About how many seconds a step still takes; 0 at its end or before there is anything to go by."""
        spent = time.monotonic() - self.begun[step][0]
        return spent / done * (total - done) if done > 1 else 0.0


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
        self.progress.update(task, completed=done, total=total, told=_told(self.pace.with_rate(step, numbers)))
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
        numbers = self.pace.with_rate(step, numbers)
        if done < total and now - self.last.setdefault(step, now) < EVERY_S:
            return
        self.last[step] = now
        left = self.pace.left_s(step, done, total)
        told = ", ".join(part for part in (_told(numbers), f"about {left:.0f} s left" if left else "") if part)
        self.say(f"  {step}: {done:,} of {total:,} {told}".rstrip())


def _told(numbers: Mapping[str, float]) -> str:
    shown = (f"{name.replace('_', ' ')} {value:,.0f}" if value >= 1000 or float(value).is_integer() else
             f"{name.replace('_', ' ')} {value:.3g}" for name, value in numbers.items())  # fmt: skip
    return ", ".join(shown)


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
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Speaker(Bars(progress))
