"""`tunesmith estimate` in the terminal: what a training takes, and how far such estimates were from published runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tunesmith.costs.estimate import Estimate
from tunesmith.costs.peaks import GB
from tunesmith.costs.published import Measured, Run, errors_of
from tunesmith.costs.sensible import Sense
from tunesmith.costs.time import LEAST, MOST, Range
from tunesmith.web.html import visible

BAR = 16
STYLES = {"met": "green", "not met": "yellow", "unknown": "dim"}
NOTHING = 1e6  # bytes that are not worth a line
INDENT = (0, 0, 0, 2)


def print_estimate(name: str, found: Estimate, console: Console) -> None:
    """One training: what it is, memory by part, time and money, and what all that rests on."""
    work = found.work
    console.print(Text.assemble("\n", (visible(name), "bold"), f"  {_what(found)}"))
    console.print(Padding(_memory(found, console), INDENT))
    console.print(Padding(_facts(found), INDENT))
    for note in (*work.notes, f"shape: {work.shape.told}", *found.used):
        console.print(Padding(Text(visible(note), "dim"), INDENT))
    if found.sense is not None:
        print_sense(found.sense, console)


def _what(found: Estimate) -> str:
    work = found.work
    trained = f"{_count(found.trained)} of {_count(work.shape.anatomy.parameters)} weights"
    where = "this processor" if work.gpu is None else f"{work.gpus} x {work.gpu}{', sharded' if work.shard else ''}"
    return f"{work.trainer}, {work.method.kind}, {visible(work.shape.name)}: {trained} trained on {where}"


def _memory(found: Estimate, console: Console) -> Table:
    """Bytes of each device by part, with a bar of the room there is."""
    memory = found.memory
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    whole = max(memory.peak, found.room or 0.0) if found.work.gpu else memory.peak
    for part, size in memory.parts.items():
        if size >= NOTHING:
            table.add_row(Text(_part(part, found)), _bytes(size), _bar(size, whole, console))
    if memory.apart >= NOTHING:
        table.add_row(Text("never at the same time", "dim"), f"−{_bytes(memory.apart)}", "")
    fits = {True: ("fits", "green"), False: ("does not fit", "bold red"), None: ("", "")}[found.fits]
    room = f"of {_bytes(found.room)}" if found.room else ""
    each = " each" if found.work.gpus > 1 else ""
    table.add_row(
        Text("memory at most", "bold"), Text(_bytes(memory.peak), "bold"), Text.assemble(fits, f" {room}{each}")
    )
    return table


def _part(name: str, found: Estimate) -> str:
    if name != "others":
        return {"constant": "driver", "logits": "loss and one layer's"}.get(name, name)
    return "reference, reward, cache" if found.work.trainer == "rlhf" else "best weights so far"


def _facts(found: Estimate) -> Table:
    """Everything that is no memory, one a line."""
    table = _table()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, told in _told(found):
        table.add_row(Text(name), told)
    return table


def _told(found: Estimate) -> Iterator[tuple[str, str]]:
    work = found.work
    yield "precision", f"{found.precision} ({found.why_precision})"
    light = "; activations computed again (checkpointing)" if found.checkpointing else ""
    size = f"{work.batch} rows of up to {work.longest:,} tokens"
    parts = "at once" if found.parts == 1 else f"in {found.parts} parts of up to {found.part_tokens:,} tokens"
    yield "step", f"{size}, {parts}{' on each device' if work.gpus > 1 else ''}{light}"
    if work.tokens is not None:
        times = "" if work.epochs == 1 else f" x {work.epochs:g} epochs"
        yield "tokens", f"{_count(work.tokens)}{times}, {found.operations:.2g} operations"
    yield "time", f"{span(found.hours)} ({found.mfu})" if found.hours else f"not known: {found.mfu}"
    if work.gpu is not None:
        yield "money", dollars(found.money) if found.money else "not known"


def span(hours: Range) -> str:
    """Hours as `2.1 h (1.5 to 3.0)`, in minutes or days where that reads better."""
    units = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "days": 24.0}
    most = {"s": 1 / 60, "min": 1.0, "h": 100.0}  # hours that are still told so
    unit = next((name for name, limit in most.items() if hours.likely < limit), "days")
    size = units[unit]
    low, likely, high = (_three(value / size) for value in (hours.low, hours.likely, hours.high))
    return f"{likely} {unit} ({low} to {high})"


def dollars(money: Range) -> str:
    """Money as `$120 ($54 to $310)`."""
    low, likely, high = (f"${_three(value)}" for value in (money.low, money.likely, money.high))
    return f"{likely} ({low} to {high})"


def print_sense(sense: Sense, console: Console) -> None:
    """When pre-training is sensible, and how it stands here."""
    table = _table()
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in sense.conditions:
        table.add_row(Text(each.state, STYLES[each.state]), Text(f"{each.name}: {each.asks}"), Text(each.known, "dim"))
    console.print(Text("\n  Is pre-training sensible?", "bold"))
    console.print(Padding(table, INDENT))
    console.print(Padding(Text(sense.advice), INDENT))


def print_published(runs: Sequence[Run], memory: Sequence[Measured], console: Console) -> None:
    """Published runs beside the estimate, those that the shares of the peak came from and new ones apart."""
    for new, title in ((False, "Published runs that the shares of the peak came from"), (True, "New runs")):
        console.print(Text(f"\n{title}", "bold"))
        console.print(_runs([run for run in runs if run.new is new]))
        errors = errors_of(runs, new=new)
        told = f"{errors.runs} runs: median |log10 error| {errors.median:.3f}; {errors.within:.0%} reach an MFU"
        console.print(f"{told} of {LEAST:g} to {MOST:g}")
    console.print(Text("\nPublished memory of other software, GiB without the driver", "bold"))
    table = _table(header=True)
    table.add_column("", overflow="fold")
    for name in ("published", "estimate", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in memory:
        table.add_row(
            each.what, f"{each.published:.1f}", f"{each.estimated:.1f}", f"{each.error:+.0%}".replace("-", "−")
        )
    console.print(table)


def _runs(runs: Sequence[Run]) -> Table:
    table = _table(header=True)
    table.add_column("", overflow="fold")
    table.add_column("GPU", no_wrap=True)
    for name in ("GPU-hours", "estimate", "times", "MFU"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        hours = "not published" if run.published is None else _count(run.published)
        likely = "" if run.estimated is None else _count(run.estimated.likely)
        times = "" if run.error is None else f"{10**run.error:.2f}"
        share = "" if run.mfu is None else f"{run.mfu:.2f}"
        name = run.name if run.counts or run.published is None else f"{run.name} (left out)"
        table.add_row(
            Text(name, "" if run.counts else "dim"), str(run.fields.get("gpu") or ""), hours, likely, times, share
        )
    return table


def _count(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _three(value: float) -> str:
    """Three digits at most, thousands set apart: 0.42, 12.5, 1,240."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _bytes(size: float) -> str:
    return f"{size / GB:,.1f} GB" if size >= GB / 10 else f"{size / 1e6:,.0f} MB"


def _bar(size: float, whole: float, console: Console) -> Text:
    return Text(("#" if console.options.ascii_only else "█") * round(BAR * size / whole), "cyan")


def _table(*, header: bool = False) -> Table:
    return Table(box=None, show_header=header, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
